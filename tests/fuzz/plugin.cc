// libFuzzer: any description of a plug-in is refused in words or makes a kernel that fits it.
//
// The bytes fill in the numbers of a rollout_env and what its pointers lead to. Pointers themselves
// are true or null: a library that lies about them is beyond help.
#include "plugin/plugin.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

// hands out the input; zeros when it is used up
class Bytes {
 public:
  Bytes(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}

  template <class T>
  T Take() {
    T value{};
    const std::size_t n = sizeof(T) < left_ ? sizeof(T) : left_;
    std::memcpy(&value, data_, n);
    data_ += n;
    left_ -= n;
    return value;
  }

  bool Flag() { return (Take<std::uint8_t>() & 1) != 0; }

  // mostly small, so that descriptions which hold together are found
  std::uint32_t Count() {
    const auto value = Take<std::uint32_t>();
    return value % 8 == 0 ? value : value % 5;
  }

  std::string Text() {
    std::string text(Take<std::uint8_t>() % 12, ' ');
    for (char& c : text) c = Take<char>();
    return text;
  }

 private:
  const std::uint8_t* data_;
  std::size_t left_;
};

int32_t Reset(const double*, void* state, const rollout_key*) {
  *static_cast<std::uint8_t*>(state) = 1;
  return 0;
}

int32_t Step(const double*, void* state, const void*, const rollout_key*, double* reward,
             uint8_t* terminated, uint8_t*) {
  *terminated = ++*static_cast<std::uint8_t*>(state) > 3;
  *reward = 1.0;
  return *static_cast<std::uint8_t*>(state) == 9;
}

int32_t Observe(const double*, const void*, void*) { return 0; }
int32_t LegalActions(const double*, const void*, int8_t* mask) { return mask[0] = 1, 0; }
int32_t ToPlay(const double*, const void*, int32_t* player) { return *player = 0, 0; }

constexpr std::size_t kMost = 2048;  // elements behind a pointer; counts above are refused earlier

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes in(data, size);
  static std::array<std::int64_t, kMost> shape, choices;
  static std::vector<double> low(std::size_t{1} << 24), high(std::size_t{1} << 24, 1.0);
  std::array<std::string, 5> names;
  for (std::string& name : names) name = in.Text();
  std::vector<const char*> event_names(kMost);
  std::vector<rollout_param> params(kMost);
  for (std::size_t i = 0; i < kMost; ++i) {
    event_names[i] = i < 3 ? names[i].c_str() : "more";
    params[i] = {i < 2 ? names[i + 3].c_str() : "other", 0.0, 0.0, 1.0};
    shape[i] = choices[i] = 2;
  }
  for (std::size_t i = 0; i < 4; ++i) {
    const auto wide = in.Take<std::int64_t>();
    shape[i] = in.Flag() ? wide : wide % 6;
    choices[i] = in.Flag() ? wide : 1 + (wide & 7);
    low[i] = in.Take<double>();
    high[i] = in.Take<double>();
    params[i].value = in.Take<double>();
  }

  rollout_env raw{};
  raw.abi_version = ROLLOUT_ABI_VERSION + in.Flag();
  raw.struct_bytes = in.Flag() ? in.Take<std::uint32_t>() : sizeof(raw);
  raw.id = names[0].c_str();
  raw.summary = names[1].c_str();
  raw.state_bytes = in.Flag() ? in.Take<std::uint64_t>() : 1 + in.Count();
  raw.state_alignment = in.Count();
  raw.obs_dtype = in.Count();
  raw.obs_ndim = in.Count();
  raw.obs_bounds = in.Count();
  raw.obs_shape = shape.data();
  raw.obs_low = low.data();
  raw.obs_high = high.data();
  raw.action_size = in.Count();
  raw.num_players = in.Count();
  raw.action_choices = in.Flag() ? choices.data() : nullptr;
  raw.action_low = low.data();
  raw.action_high = high.data();
  raw.max_episode_steps = in.Take<std::int8_t>();
  raw.num_events = in.Count();
  raw.event_names = event_names.data();
  raw.num_params = in.Count();
  raw.params = params.data();
  raw.reset = &Reset;
  raw.step = in.Take<std::uint8_t>() == 7 ? nullptr : &Step;
  raw.observe = &Observe;
  raw.legal_actions = in.Flag() ? &LegalActions : nullptr;
  raw.to_play = in.Flag() ? &ToPlay : nullptr;
  try {
    const auto plugin = rollout::Plugin::From(&raw);
    const std::vector<double> values(plugin->params.size());
    const auto kernel = rollout::MakePluginKernel(plugin, values);
    if (kernel->row_bytes() < raw.state_bytes) __builtin_trap();
  } catch (const std::invalid_argument& error) {
    if (std::string(error.what()).rfind("plug-in ", 0) != 0 &&
        std::string(error.what()).find(": Describe: ") == std::string::npos) {
      __builtin_trap();
    }
  }
  return 0;
}
