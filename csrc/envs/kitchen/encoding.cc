// The kitchen as its players see it: the lossless encoding, or features.
#include <algorithm>
#include <cstring>

#include "envs/kitchen/kitchen.h"

namespace rollout {
namespace kitchen {
namespace {

// channels of the lossless encoding
constexpr int kSelfPlace = 0, kOtherPlace = 1, kSelfFacing = 2, kOtherFacing = 6;
constexpr int kPotPlane = 10, kUrgency = 25;
constexpr int kIdleOnions = 16, kSoupOnions = 18, kTimeLeft = 20, kSoupDone = 21;
constexpr int kDishPlane = 22, kOnionPlane = 23, kTomatoPlane = 24;

void DrawItem(Item item, std::uint8_t* pixel) {
  switch (item) {
    case kNothing:
      break;
    case kOnion:
      pixel[kOnionPlane] = 1;
      break;
    case kTomato:
      pixel[kTomatoPlane] = 1;
      break;
    case kDish:
      pixel[kDishPlane] = 1;
      break;
    default:
      pixel[kSoupOnions] = static_cast<std::uint8_t>(MixOnions(MixOf(item)));
      pixel[kSoupOnions + 1] = static_cast<std::uint8_t>(MixTomatoes(MixOf(item)));
      pixel[kSoupDone] = 1;
  }
}

void DrawPot(const Layout& layout, Item soup, int tick, std::uint8_t* pixel) {
  const int mix = MixOf(soup);
  const int first = tick < 0 ? kIdleOnions : kSoupOnions;
  pixel[first] = static_cast<std::uint8_t>(MixOnions(mix));
  pixel[first + 1] = static_cast<std::uint8_t>(MixTomatoes(mix));
  if (tick < 0) return;
  pixel[kTimeLeft] = static_cast<std::uint8_t>(layout.cook_steps[mix] - tick);
  pixel[kSoupDone] = tick >= layout.cook_steps[mix];
}

// all but the players' own planes, which differ by view
void DrawWorld(const Params& params, const State& state, std::uint8_t* out) {
  const Layout& layout = params.layout;
  const bool urgent = params.horizon - state.timestep < kUrgentSteps;
  const auto& backdrop = urgent ? params.urgent_backdrop : params.backdrop;
  std::memcpy(out, backdrop.data(), backdrop.size());

  // most cells hold nothing: look at eight at a time
  for (int base = 0; base < layout.num_cells; base += 8) {
    std::uint64_t eight;
    std::memcpy(&eight, state.object.data() + base, sizeof eight);
    if (eight == 0) continue;
    for (int cell = base; cell < base + 8; ++cell) {
      const Item item = state.object[cell];
      if (item == kNothing) continue;
      const int pot = layout.pot_at[cell];
      std::uint8_t* const pixel = out + cell * kChannels;
      pot == kNoPlace ? DrawItem(item, pixel) : DrawPot(layout, item, state.tick[pot], pixel);
    }
  }
  for (int i = 0; i < layout.num_players; ++i) {
    DrawItem(state.held[i], out + state.cell[i] * kChannels);
  }
}

void DrawPlayers(const Params& params, const State& state, int self, std::uint8_t* out) {
  for (int i = 0; i < params.layout.num_players; ++i) {
    std::uint8_t* const pixel = out + state.cell[i] * kChannels;
    pixel[i == self ? kSelfPlace : kOtherPlace] = 1;
    pixel[(i == self ? kSelfFacing : kOtherFacing) + state.facing[i]] = 1;
  }
}

}  // namespace

void FillBackdrops(Params& params) {
  const Layout& layout = params.layout;
  params.backdrop.assign(static_cast<std::size_t>(layout.num_cells) * kChannels, 0);
  // planes 10..15 in the encoding's own order
  constexpr Terrain kPlanes[] = {kPot, kCounter, kOnions, kTomatoes, kDishes, kServing};
  for (int cell = 0; cell < layout.num_cells; ++cell) {
    for (int plane = 0; plane < 6; ++plane) {
      params.backdrop[cell * kChannels + kPotPlane + plane] =
          layout.terrain[cell] == kPlanes[plane];
    }
  }
  params.urgent_backdrop = params.backdrop;
  for (int cell = 0; cell < layout.num_cells; ++cell) {
    params.urgent_backdrop[cell * kChannels + kUrgency] = 1;
  }
}

void Encode(const Params& params, const State& state, int player, std::uint8_t* out) {
  DrawWorld(params, state, out);
  DrawPlayers(params, state, player, out);
}

}  // namespace kitchen

void Kitchen::Observe(const Params& params, const State& state, Obs* out) {
  if (params.features) return kitchen::Featurize(params, state, reinterpret_cast<float*>(out));
  const std::size_t size = params.backdrop.size();
  if (params.HasPartner()) return kitchen::Encode(params, state, params.ego, out);
  // the world is drawn once and copied: views differ in the players' planes alone
  kitchen::DrawWorld(params, state, out);
  for (int i = 1; i < params.layout.num_players; ++i) std::memcpy(out + i * size, out, size);
  for (int i = 0; i < params.layout.num_players; ++i) {
    kitchen::DrawPlayers(params, state, i, out + i * size);
  }
}

}  // namespace rollout
