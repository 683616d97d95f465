#include "workloads/buckets.hpp"

#include "tests/catch.hpp"

using namespace grit;

namespace {

// Three layers; at 2 bytes an element: 20 and 200, 60 and 60, 40 bytes.
const std::vector<ModelLayer> kLayers{{{10, 100}, 0}, {{30, 30}, 0}, {{20}, 0}};

}  // namespace

TEST_CASE("buckets take tensors in reverse, split none and are closed by the one that fills them") {
  const auto buckets = plan_buckets(kLayers, 2, 40, 100);
  REQUIRE(buckets.size() == 4);
  CHECK(buckets[0].elements == 20);  // the head's: the first bucket's cap is smaller
  CHECK(buckets[0].ready_after_layer == 2);
  CHECK(buckets[1].elements == 60);
  CHECK(buckets[1].ready_after_layer == 1);
  CHECK(buckets[2].elements == 100);  // larger than the cap, alone
  CHECK(buckets[2].ready_after_layer == 0);
  CHECK(buckets[3].elements == 10);  // what is left
  CHECK(buckets[3].ready_after_layer == 0);
}

TEST_CASE("a bucket over several layers is ready after the last of them") {
  const auto buckets = plan_buckets(kLayers, 2, 1e9, 1e9);
  REQUIRE(buckets.size() == 1);
  CHECK(buckets[0].elements == 190);
  CHECK(buckets[0].ready_after_layer == 0);
}

TEST_CASE("buckets cover all gradients once, whatever the caps") {
  const auto layers = model_layers(*find_model("bert-large"), 0.01);
  for (const double cap : {1.0, 1e3, 1e5, 1e9}) {
    std::size_t next = 0;
    std::size_t layer = layers.size();
    for (const Bucket& bucket : plan_buckets(layers, 4, cap / 2, cap)) {
      CHECK(bucket.first_element == next);
      CHECK(bucket.elements > 0);
      CHECK(bucket.ready_after_layer <= layer);
      next += bucket.elements;
      layer = bucket.ready_after_layer;
    }
    CHECK(next == static_cast<std::size_t>(parameter_count(layers)));
    CHECK(layer == 0);
  }
}

TEST_CASE("the real GPT-2 small in bf16 has the collectives DDP would make of it") {
  const auto layers = model_layers(*find_model("gpt2-small"), 1.0);
  const auto buckets = plan_buckets(layers, 2, kFirstBucketBytes, kDefaultBucketBytes);
  CHECK(buckets.front().elements * 2 >= std::size_t{1} << 20);
  CHECK(buckets.front().ready_after_layer == 12);
  CHECK(buckets.back().ready_after_layer == 0);
  CHECK(buckets.size() >= 5);
  CHECK(buckets.size() <= 10);
}
