#include "vec/kernel.h"

#include <functional>
#include <numeric>

namespace rollout {

Kernel::Kernel(EnvSpec spec, std::size_t row_bytes, std::size_t grain,
               std::size_t obs_element_bytes)
    : spec_(std::move(spec)), row_bytes_(row_bytes), grain_(grain) {
  const auto count = [](std::int64_t value) { return static_cast<std::size_t>(value); };
  obs_size_ = count(std::accumulate(spec_.obs_shape.begin(), spec_.obs_shape.end(), std::int64_t{1},
                                    std::multiplies<>()));
  obs_bytes_ = obs_size_ * obs_element_bytes;
  action_size_ = spec_.action_nvec.empty() ? spec_.action_low.size() : spec_.action_nvec.size();
  event_size_ = count(spec_.event_rows) * spec_.event_names.size();
  signal_size_ = count(
      std::accumulate(spec_.signal_widths.begin(), spec_.signal_widths.end(), std::int64_t{0}));
}

}  // namespace rollout
