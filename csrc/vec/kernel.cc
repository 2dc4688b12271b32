#include "vec/kernel.h"

#include <algorithm>
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

bool SameField(const ObsField& a, const ObsField& b) {
  return a.name == b.name && a.shape == b.shape && a.dtype == b.dtype && a.low == b.low &&
         a.high == b.high && a.nvec == b.nvec && a.offset == b.offset;
}

std::vector<ObsField> FieldsOf(const EnvSpec& spec) {
  if (!spec.obs_fields.empty()) return spec.obs_fields;
  return {{{}, spec.obs_shape, spec.obs_dtype, spec.obs_low, spec.obs_high, spec.obs_nvec, 0}};
}

// In what two specs differ that rows of one batch must share; null if in nothing.
const char* Difference(const EnvSpec& a, const EnvSpec& b) {
  const std::vector<ObsField> ours = FieldsOf(a), theirs = FieldsOf(b);
  if (!std::equal(ours.begin(), ours.end(), theirs.begin(), theirs.end(), SameField)) {
    return "observation space";
  }
  if (a.action_nvec != b.action_nvec || a.action_is_scalar != b.action_is_scalar ||
      a.action_low != b.action_low || a.action_high != b.action_high) {
    return "action space";
  }
  if (a.event_names != b.event_names || a.event_rows != b.event_rows) return "events";
  if (a.signal_names != b.signal_names || a.signal_widths != b.signal_widths) return "signals";
  if (a.num_players != b.num_players) return "number of players";
  return nullptr;
}

}  // namespace

Kernel::Kernel(Facts facts, KernelOptions options)
    : specs_(std::move(facts.specs)),
      limits_(options.limits),
      options_(std::move(options)),
      can_(facts.can),
      obs_is_single_(specs_[0].obs_fields.empty() || options_.picture_size > 0),
      grain_(facts.grain) {
  const EnvSpec& spec = specs_[0];
  for (std::size_t k = 1; k < specs_.size(); ++k) {
    if (const char* what = Difference(spec, specs_[k])) {
      throw std::invalid_argument("params[" + std::to_string(k) + "]: the " + what + " of " +
                                  spec.id +
                                  " differs from that under params[0]; rows of one batch share it, "
                                  "so make a batch for each");
    }
  }
  if (limits_.empty()) {
    for (const EnvSpec& each : specs_) limits_.push_back(each.max_episode_steps);
  }

  obs_fields_ = FieldsOf(spec);
  if (spec.obs_fields.empty() != (facts.obs_struct_bytes == 0)) {
    Refuse(spec, "obs_fields are for an environment whose Obs is a struct, and needed there");
  }
  if (obs_fields_.size() > kMostFields) {
    Refuse(spec, "more than " + std::to_string(kMostFields) + " obs_fields");
  }
  for (const ObsField& field : obs_fields_) {
    const std::size_t bytes = Product(field.shape) * BytesOf(field.dtype);
    if (facts.obs_struct_bytes > 0 && field.offset + bytes > facts.obs_struct_bytes) {
      Refuse(spec, "the field '" + field.name + "' reaches out of Obs");
    }
    if (!field.nvec.empty() &&
        (field.nvec.size() != 1 || !field.shape.empty() || field.dtype != Dtype::kInt64)) {
      Refuse(spec, "a Discrete observation has one nvec, no shape, and kInt64");
    }
    if (field.name.empty() != obs_fields_.front().name.empty()) {
      Refuse(spec, "either all obs_fields have names or none has");
    }
  }
  if (const std::int64_t size = options_.picture_size; size > 0) {
    if (!can_.pictures) {
      throw std::invalid_argument(
          "render_obs: " + spec.id +
          " cannot draw itself; rollout.envs.spec(id).has_pictures tells which environments can");
    }
    obs_fields_ = {{{}, {size, size, 3}, Dtype::kUint8, {0}, {255}, {}, 0}};
  }
  if (can_.action_mask && spec.action_nvec.size() != 1) {
    Refuse(spec, "LegalActions needs one discrete action, action_nvec = {n}");
  }

  frames_at_ = AlignUp(facts.state_end, kRowAlignment);
  std::size_t frames = 0;
  for (const ObsField& field : obs_fields_) {
    frame_bytes_.push_back(Product(field.shape) * BytesOf(field.dtype));
    scatter_.emplace_back(field.offset, frame_bytes_.back());
    frames += AlignUp(frame_bytes_.back() * options_.frame_stack, kRowAlignment);
  }
  obs_is_words_ = !spec.obs_fields.empty();
  for (std::size_t f = 0; f < scatter_.size(); ++f) {
    constexpr std::size_t kWord = sizeof(std::int64_t);
    obs_is_words_ &= scatter_[f] == std::pair(f * kWord, kWord);
  }
  row_bytes_ = frames_at_ + (options_.frame_stack > 1 ? frames : 0);
  action_size_ = spec.action_nvec.empty() ? spec.action_low.size() : spec.action_nvec.size();
  event_size_ = static_cast<std::size_t>(spec.event_rows) * spec.event_names.size();
  signal_size_ = static_cast<std::size_t>(
      std::accumulate(spec.signal_widths.begin(), spec.signal_widths.end(), std::int64_t{0}));
  rewards_at_ = 0;
  std::size_t signal = 0;
  for (; signal < spec.signal_names.size() && spec.signal_names[signal] != "rewards"; ++signal) {
    rewards_at_ += static_cast<std::size_t>(spec.signal_widths[signal]);
  }
  const bool knows_rewards =
      signal < spec.signal_names.size() && spec.signal_widths[signal] == spec.num_players;
  can_.playouts = spec.action_nvec.size() == 1 && spec.action_is_scalar &&
                  (can_.to_play ? knows_rewards : spec.num_players == 1);
  mask_size_ = can_.action_mask ? static_cast<std::size_t>(spec.action_nvec[0]) : 0;
}

void Kernel::FrameSlabs(std::byte* row, void** slabs) const {
  std::byte* at = row + frames_at_;
  for (std::size_t f = 0; f < frame_bytes_.size(); ++f) {
    slabs[f] = at;
    at += AlignUp(frame_bytes_[f] * options_.frame_stack, kRowAlignment);
  }
}

void Kernel::RepeatFrame(std::byte* row) const {
  void* slabs[kMostFields];
  FrameSlabs(row, slabs);
  const std::size_t now = FrameNow(row);
  for (std::size_t f = 0; f < frame_bytes_.size(); ++f) {
    auto* const ring = static_cast<std::byte*>(slabs[f]);
    for (std::size_t k = 0; k < options_.frame_stack; ++k) {
      if (k != now) {
        std::memcpy(ring + k * frame_bytes_[f], ring + now * frame_bytes_[f], frame_bytes_[f]);
      }
    }
  }
}

void Kernel::CopyFrames(const std::byte* row, void* const* slabs, std::size_t i) const {
  const std::size_t oldest = (FrameNow(row) + 1) % options_.frame_stack;
  const std::byte* ring = row + frames_at_;
  for (std::size_t f = 0; f < frame_bytes_.size(); ++f) {
    const std::size_t all = frame_bytes_[f] * options_.frame_stack;
    const std::size_t split = frame_bytes_[f] * oldest;
    auto* const to = static_cast<std::byte*>(slabs[f]) + i * all;
    std::memcpy(to, ring + split, all - split);
    std::memcpy(to + (all - split), ring, split);
    ring += AlignUp(all, kRowAlignment);
  }
}

}  // namespace rollout
