// Documents that an older version of grit wrote.
#pragma once

#include "harness/base/json.hpp"

namespace grit {

/// The object with what it lacks of `defaults`: as this version would have written it. Throws Json::exception: it is no
/// object.
inline Json with_defaults(const Json& object, Json defaults) {
  defaults.update(object);
  return defaults;
}

}  // namespace grit
