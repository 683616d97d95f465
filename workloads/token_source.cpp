#include "workloads/token_source.hpp"

#include "workloads/input_loader.hpp"
#include "workloads/token_batch.hpp"

namespace grit {
namespace {

class GeneratedTokens final : public TokenSource {
 public:
  explicit GeneratedTokens(const TokenShape& shape) : batch_(shape.vocabulary, shape.sequence, shape.sample) {
    batch_.skip(static_cast<std::uint64_t>(shape.first_batch));
  }
  Result<std::uint64_t> next() override {
    batch_.draw();
    return 0;
  }
  [[nodiscard]] std::span<const std::uint32_t> tokens() const override { return batch_.tokens(); }
  [[nodiscard]] Json description() const override { return Json{{"input", "generated"}}; }

 private:
  TokenBatch batch_;
};

}  // namespace

std::vector<ParamSpec> token_source_params() {
  std::vector<ParamSpec> params{
      {.name = "input",
       .unit = Unit::text,
       .default_value = "generated",
       .help = "generated: token ids from a seeded generator; files: read, decoded and checked, from a file that each "
               "rank makes before the first step, and that has no name",
       .choices = {"generated", "files"}}};
  const auto add = [&params](const char* name, Unit unit, const Json& default_value, const char* help, double min,
                             double max) {
    params.push_back(
        {.name = name, .unit = unit, .default_value = default_value, .help = help, .min = min, .max = max});
  };
  add("input_workers", Unit::count, 2, "processes of each rank that read and decode; 0: the rank does it itself", 0,
      kMostInputWorkers);
  add("input_prefetch", Unit::count, 2, "micro-batches that each of them keeps ahead", 1, 64);
  add("input_bytes", Unit::size_bytes, std::int64_t{1} << 20,
      "read for a micro-batch, in whole pages of 4 KiB; at least one", 1, 1 << 30);
  add("input_passes", Unit::count, 4, "how often each byte is worked on when it is decoded", 1, 1e6);
  add("input_file", Unit::size_bytes, std::int64_t{64} << 20,
      "of each rank's file, which is gone round in; at least one micro-batch", 1, 1e12);
  params.push_back({.name = "input_direct",
                    .unit = Unit::boolean,
                    .default_value = false,
                    .help = "read past the page cache (O_DIRECT), as of data that do not fit into memory; else they "
                            "come from it unless something else takes its place"});
  return params;
}

Result<std::unique_ptr<TokenSource>> make_token_source(const Params& params, const WorkloadContext& context,
                                                       const TokenShape& shape) {
  if (params.text("input") == "files") return make_input_loader(params, context, shape);
  return std::make_unique<GeneratedTokens>(shape);
}

}  // namespace grit
