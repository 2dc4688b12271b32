#include "plugin/plugin.h"

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace rollout {
namespace {

// sizes above these are slips, not environments
constexpr std::uint64_t kMostStateBytes = std::uint64_t{1} << 24;
constexpr std::uint64_t kMostObsElements = std::uint64_t{1} << 24;
constexpr std::uint32_t kMostDimensions = 8;
constexpr std::uint32_t kMostNames = 256;
constexpr std::uint32_t kMostActionParts = 1024;
constexpr std::int64_t kMostChoices = std::int64_t{1} << 24;
constexpr std::uint32_t kMostPlayers = 64;
constexpr std::size_t kLongestName = 100;

// reads a description field by field; its errors begin with the environment's id
class Reader {
 public:
  explicit Reader(const rollout_env& raw) : raw_(raw) {}

  std::shared_ptr<const Plugin> Read() {
    auto out = std::make_shared<Plugin>();
    if (raw_.struct_bytes >= kIdEnd) id_ = Name(raw_.id, "id");
    Abi();
    Require(raw_.summary != nullptr, "summary", "a text");
    out->raw = raw_;
    out->summary = raw_.summary;
    out->spec.id = id_;
    State();
    Observation(out->spec);
    Action(out->spec);
    Require(raw_.max_episode_steps >= 0, "max_episode_steps", ">= 0");
    out->spec.max_episode_steps = raw_.max_episode_steps;
    Require(raw_.num_events <= kMostNames, "num_events", "at most 256");
    Require(raw_.num_events == 0 || raw_.event_names != nullptr, "event_names", "num_events names");
    for (std::uint32_t i = 0; i < raw_.num_events; ++i) {
      out->spec.event_names.push_back(Name(raw_.event_names[i], "event_names"));
    }
    Params(out->params);
    Require(raw_.reset != nullptr, "reset", "a function");
    Require(raw_.step != nullptr, "step", "a function");
    Require(raw_.observe != nullptr, "observe", "a function");
    Require(raw_.legal_actions == nullptr || out->spec.action_nvec.size() == 1, "legal_actions",
            "NULL unless an action is one choice");
    Require(raw_.num_players == 1 || raw_.to_play != nullptr, "to_play",
            "a function where players take turns");
    return out;
  }

 private:
  [[noreturn]] void Refuse(const std::string& what) const {
    throw std::invalid_argument("plug-in " + (id_.empty() ? "without an id" : id_) + ": " + what);
  }

  void Require(bool met, const char* field, const std::string& rule) const {
    if (!met) Refuse(std::string(field) + ": expected " + rule);
  }

  // what tells versions apart comes first in every version, and the id after it
  static constexpr std::size_t kIdEnd = offsetof(rollout_env, id) + sizeof(const char*);

  void Abi() const {
    const bool same = raw_.abi_version == ROLLOUT_ABI_VERSION;
    if (same && raw_.struct_bytes == sizeof(rollout_env)) return;
    Refuse("it was compiled for version " + std::to_string(raw_.abi_version) +
           " of the plug-in interface, with a rollout_env of " + std::to_string(raw_.struct_bytes) +
           " bytes; this rollout has version " + std::to_string(ROLLOUT_ABI_VERSION) + " with " +
           std::to_string(sizeof(rollout_env)) +
           " bytes; compile it with the header in rollout.envs.include_dir()");
  }

  // a printable word
  std::string Name(const char* text, const char* field) const {
    Require(text != nullptr, field, "a name, got NULL");
    const std::string_view name(text);
    const bool word = !name.empty() && name.size() <= kLongestName &&
                      std::ranges::all_of(name, [](char c) { return c > ' ' && c < '\x7f'; });
    Require(word, field, "1 to 100 printable characters without spaces");
    return std::string(name);
  }

  void State() const {
    Require(raw_.state_bytes >= 1 && raw_.state_bytes <= kMostStateBytes, "state_bytes",
            "1 .. 2^24, got " + std::to_string(raw_.state_bytes));
    const std::uint32_t alignment = raw_.state_alignment;
    Require(alignment >= 1 && alignment <= kRowAlignment && (alignment & (alignment - 1)) == 0,
            "state_alignment", "1, 2, 4, 8 or 16, got " + std::to_string(alignment));
  }

  void Bounds(const double* low, const double* high, std::size_t n, const char* field,
              std::vector<double>& lows, std::vector<double>& highs) const {
    Require(low != nullptr && high != nullptr, field, "bounds, got NULL");
    for (std::size_t i = 0; i < n; ++i) {
      Require(low[i] <= high[i], field,
              "low <= high, got " + std::to_string(low[i]) + " and " + std::to_string(high[i]) +
                  " in element " + std::to_string(i));
    }
    lows.assign(low, low + n);
    highs.assign(high, high + n);
  }

  void Observation(EnvSpec& spec) const {
    Require(raw_.obs_dtype <= ROLLOUT_FLOAT64, "obs_dtype",
            "one of enum rollout_dtype, got " + std::to_string(raw_.obs_dtype));
    spec.obs_dtype = static_cast<Dtype>(raw_.obs_dtype);
    Require(raw_.obs_ndim <= kMostDimensions, "obs_ndim", "at most 8");
    Require(raw_.obs_ndim == 0 || raw_.obs_shape != nullptr, "obs_shape", "obs_ndim sizes");
    std::uint64_t elements = 1;
    for (std::uint32_t i = 0; i < raw_.obs_ndim; ++i) {
      const std::int64_t size = raw_.obs_shape[i];
      Require(size >= 1 && static_cast<std::uint64_t>(size) <= kMostObsElements / elements,
              "obs_shape", "sizes >= 1 and at most 2^24 elements");
      elements *= static_cast<std::uint64_t>(size);
      spec.obs_shape.push_back(size);
    }
    Require(raw_.obs_bounds == 1 || raw_.obs_bounds == elements, "obs_bounds",
            "1 or " + std::to_string(elements) + ", got " + std::to_string(raw_.obs_bounds));
    Bounds(raw_.obs_low, raw_.obs_high, raw_.obs_bounds, "obs_low", spec.obs_low, spec.obs_high);
  }

  void Action(EnvSpec& spec) const {
    Require(raw_.action_size >= 1 && raw_.action_size <= kMostActionParts, "action_size",
            "1 .. 1024, got " + std::to_string(raw_.action_size));
    Require(raw_.num_players >= 1 && raw_.num_players <= kMostPlayers, "num_players",
            "1 .. 64, got " + std::to_string(raw_.num_players));
    spec.num_players = raw_.num_players;
    spec.action_is_scalar = raw_.action_size == 1;
    if (raw_.action_choices == nullptr) {
      spec.action_is_scalar = false;
      Bounds(raw_.action_low, raw_.action_high, raw_.action_size, "action_low", spec.action_low,
             spec.action_high);
      return;
    }
    for (std::uint32_t i = 0; i < raw_.action_size; ++i) {
      const std::int64_t choices = raw_.action_choices[i];
      Require(choices >= 1 && choices <= kMostChoices, "action_choices",
              "1 .. 2^24, got " + std::to_string(choices));
      spec.action_nvec.push_back(choices);
    }
  }

  void Params(std::vector<Plugin::Param>& params) const {
    Require(raw_.num_params <= kMostNames, "num_params", "at most 256");
    Require(raw_.num_params == 0 || raw_.params != nullptr, "params", "num_params of them");
    for (std::uint32_t i = 0; i < raw_.num_params; ++i) {
      const rollout_param& param = raw_.params[i];
      const std::string name = Name(param.name, "params");
      const bool taken = name == "max_episode_steps" ||
                         std::ranges::any_of(params, [&](const auto& p) { return p.name == name; });
      Require(!taken, "params", "names of their own, got '" + name + "' twice");
      Require(param.low <= param.value && param.value <= param.high, "params",
              "low <= value <= high in '" + name + "'");
      params.push_back({name, param.value, param.low, param.high});
    }
  }

  const rollout_env& raw_;
  std::string id_;
};

struct PluginParams {
  std::shared_ptr<const Plugin> plugin;
  std::vector<double> values;
};

// The ABI as an environment; A and O are the element types of actions and observations.
template <class A, class O>
struct PluginEnv {
  using Action = A;
  using Obs = O;
  using Params = PluginParams;
  // the first bytes of a state; StateBytes has its size
  struct alignas(kRowAlignment) State {
    std::byte bytes[kRowAlignment];
  };

  static EnvSpec Describe(const Params& p) { return p.plugin->spec; }

  static std::size_t StateBytes(const Params& p) { return p.plugin->raw.state_bytes; }

  static Abilities Can(const Params& p) {
    const rollout_env& raw = p.plugin->raw;
    const bool masks = raw.legal_actions != nullptr;
    return {.action_mask = masks,
            .legality = masks,
            .to_play = raw.to_play != nullptr,
            .pictures = false,
            .fails = true};
  }

  static void Reset(const Params& p, State& state, const StepKey& key) {
    const rollout_key at = Key(key);
    Check(p, state, "reset", p.plugin->raw.reset(p.values.data(), &state, &at), key);
  }

  static Outcome Step(const Params& p, State& state, const Action* action, const StepKey& key,
                      const StepExtras& extras) {
    const rollout_key at = Key(key);
    std::uint8_t unwanted[kMostNames] = {};  // the plug-in always has somewhere to count
    std::uint8_t* const events = extras.events != nullptr ? extras.events : unwanted;
    double reward = 0.0;
    std::uint8_t terminated = 0;
    Check(p, state, "step",
          p.plugin->raw.step(p.values.data(), &state, action, &at, &reward, &terminated, events),
          key);
    return {reward, terminated != 0};
  }

  static void Observe(const Params& p, const State& state, Obs* out) {
    Check(p, state, "observe", p.plugin->raw.observe(p.values.data(), &state, out));
  }

  static void LegalActions(const Params& p, const State& state, std::int8_t* mask) {
    Check(p, state, "legal_actions", p.plugin->raw.legal_actions(p.values.data(), &state, mask));
  }

  static bool IsLegal(const Params& p, const State& state, const Action* action) {
    thread_local std::vector<std::int8_t> mask;
    mask.resize(static_cast<std::size_t>(p.plugin->spec.action_nvec[0]));
    LegalActions(p, state, mask.data());
    return mask[static_cast<std::size_t>(*action)] != 0;
  }

  static int ToPlay(const Params& p, const State& state) {
    std::int32_t player = 0;
    Check(p, state, "to_play", p.plugin->raw.to_play(p.values.data(), &state, &player));
    return player;
  }

 private:
  static rollout_key Key(const StepKey& key) { return {key.seed, key.episode, key.step}; }

  static void Check(const Params& p, const State& state, const char* function, std::int32_t code,
                    const StepKey& key = {}) {
    if (code == 0) return;
    const rollout_env& raw = p.plugin->raw;
    const char* text = raw.error_text == nullptr ? nullptr : raw.error_text(code);
    EnvError error(text == nullptr ? "" : text);
    error.id = p.plugin->spec.id;
    error.function = function;
    error.code = code;
    error.key = key;
    error.state = &state;
    error.bytes.assign(state.bytes, state.bytes + raw.state_bytes);
    throw error;
  }
};

template <class A>
std::shared_ptr<const Kernel> ForObservations(PluginParams params) {
  switch (params.plugin->spec.obs_dtype) {
    case Dtype::kUint8:
      return std::make_shared<KernelOf<PluginEnv<A, std::uint8_t>>>(std::move(params));
    case Dtype::kInt64:
      return std::make_shared<KernelOf<PluginEnv<A, std::int64_t>>>(std::move(params));
    case Dtype::kFloat32:
      return std::make_shared<KernelOf<PluginEnv<A, float>>>(std::move(params));
    case Dtype::kFloat64:
      break;
  }
  return std::make_shared<KernelOf<PluginEnv<A, double>>>(std::move(params));
}

}  // namespace

std::shared_ptr<const Plugin> Plugin::From(const rollout_env* raw) {
  if (raw == nullptr) throw std::invalid_argument("plug-in: it describes no environment");
  return Reader(*raw).Read();
}

std::byte* PluginState(std::byte* row) {
  return KernelOf<PluginEnv<std::int64_t, double>>::StateOf(row).bytes;
}

const std::byte* PluginState(const std::byte* row) {
  return KernelOf<PluginEnv<std::int64_t, double>>::StateOf(row).bytes;
}

std::shared_ptr<const Kernel> MakePluginKernel(std::shared_ptr<const Plugin> plugin,
                                               std::vector<double> params) {
  const bool choices = !plugin->spec.action_nvec.empty();
  PluginParams all{std::move(plugin), std::move(params)};
  return choices ? ForObservations<std::int64_t>(std::move(all))
                 : ForObservations<float>(std::move(all));
}

}  // namespace rollout
