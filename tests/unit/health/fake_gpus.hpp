// GPUs that exist in a text file, as checks read them.
#pragma once

#include "harness/os/nvml.hpp"
#include "tests/fakes/nvml/fake_gpus.hpp"
#include "tests/unit/health/check_reading.hpp"
