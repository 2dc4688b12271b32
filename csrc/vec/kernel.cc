#include "vec/kernel.h"

#include <functional>
#include <numeric>
#include <stdexcept>
#include <string>

namespace rollout {
namespace {

std::size_t BytesOf(Dtype dtype) {
  switch (dtype) {
    case Dtype::kUint8:
      return 1;
    case Dtype::kFloat32:
      return 4;
    case Dtype::kInt64:
    case Dtype::kFloat64:
      break;
  }
  return 8;
}

template <class Numbers>
std::size_t Product(const Numbers& numbers) {
  return static_cast<std::size_t>(
      std::accumulate(numbers.begin(), numbers.end(), std::int64_t{1}, std::multiplies<>()));
}

[[noreturn]] void Refuse(const EnvSpec& spec, const std::string& what) {
  throw std::invalid_argument(spec.id + ": Describe: " + what);
}

}  // namespace

Kernel::Kernel(EnvSpec spec, Abilities can, std::size_t row_bytes, std::size_t grain,
               std::size_t obs_struct_bytes)
    : spec_(std::move(spec)), can_(can), row_bytes_(row_bytes), grain_(grain) {
  obs_fields_ = spec_.obs_fields;
  if (obs_fields_.empty()) {
    obs_fields_.push_back(
        {{}, spec_.obs_shape, spec_.obs_dtype, spec_.obs_low, spec_.obs_high, spec_.obs_nvec, 0});
  }
  if (spec_.obs_fields.empty() != (obs_struct_bytes == 0)) {
    Refuse(spec_, "obs_fields are for an environment whose Obs is a struct, and needed there");
  }
  for (const ObsField& field : obs_fields_) {
    obs_bytes_.push_back(Product(field.shape) * BytesOf(field.dtype));
    if (obs_struct_bytes > 0 && field.offset + obs_bytes_.back() > obs_struct_bytes) {
      Refuse(spec_, "the field '" + field.name + "' reaches out of Obs");
    }
    if (!field.nvec.empty() &&
        (field.nvec.size() != 1 || !field.shape.empty() || field.dtype != Dtype::kInt64)) {
      Refuse(spec_, "a Discrete observation has one nvec, no shape, and kInt64");
    }
    if (field.name.empty() != obs_fields_.front().name.empty()) {
      Refuse(spec_, "either all obs_fields have names or none has");
    }
  }
  if (can_.action_mask && spec_.action_nvec.size() != 1) {
    Refuse(spec_, "LegalActions needs one discrete action, action_nvec = {n}");
  }
  action_size_ = spec_.action_nvec.empty() ? spec_.action_low.size() : spec_.action_nvec.size();
  event_size_ = static_cast<std::size_t>(spec_.event_rows) * spec_.event_names.size();
  signal_size_ = static_cast<std::size_t>(
      std::accumulate(spec_.signal_widths.begin(), spec_.signal_widths.end(), std::int64_t{0}));
  mask_size_ = can_.action_mask ? static_cast<std::size_t>(spec_.action_nvec[0]) : 0;
}

void Kernel::Scatter(const void* obs, void* const* slabs, std::size_t i) const {
  for (std::size_t f = 0; f < obs_fields_.size(); ++f) {
    std::memcpy(static_cast<std::byte*>(slabs[f]) + i * obs_bytes_[f],
                static_cast<const std::byte*>(obs) + obs_fields_[f].offset, obs_bytes_[f]);
  }
}

}  // namespace rollout
