#include "envs/kitchen/features.h"

#include <algorithm>
#include <cstring>

#include "envs/kitchen/kitchen.h"

namespace rollout::kitchen {
namespace {

// where the parts of a block begin
constexpr int kHeld = 4, kOnionBox = 8, kTomatoBox = 10, kDishBox = 12, kSoupInHand = 16;
constexpr int kServingCell = 18, kPots = 22, kPotSize = 10, kWalls = 42;
// and of a pot in it
constexpr int kIsEmpty = 1, kIsFull = 2, kIsCooking = 3, kIsReady = 4, kOnionCount = 5;
constexpr int kTomatoCount = 6, kStepsLeft = 7, kPotPlace = 8;

// cells of one terrain, row by row: of equally close ones the first counts
std::vector<int> CellsOf(const Layout& layout, Terrain terrain) {
  std::vector<int> cells;
  for (int y = 0; y < layout.height; ++y) {
    for (int x = 0; x < layout.width; ++x) {
      const int cell = x * layout.height + y;
      if (layout.terrain[cell] == terrain) cells.push_back(cell);
    }
  }
  return cells;
}

void WriteDelta(const Layout& layout, int from, int to, float* out) {
  out[0] = static_cast<float>(to / layout.height - from / layout.height);
  out[1] = static_cast<float>(to % layout.height - from % layout.height);
}

PoseFeature FeatureOf(const Layout& layout, int cell, int facing) {
  PoseFeature feature;
  float* const block = feature.block.data();
  const auto distance = [&](int target) { return layout.Distance(target, cell, facing); };

  block[facing] = 1;
  constexpr std::pair<Terrain, int> kThings[] = {
      {kOnions, kOnionBox}, {kTomatoes, kTomatoBox}, {kDishes, kDishBox}, {kServing, kServingCell}};
  for (const auto& [terrain, at] : kThings) {
    const std::vector<int> cells = CellsOf(layout, terrain);
    const auto nearest = std::min_element(cells.begin(), cells.end(),
                                          [&](int a, int b) { return distance(a) < distance(b); });
    if (nearest == cells.end() || distance(*nearest) == kUnreachable) continue;
    WriteDelta(layout, cell, *nearest, block + at);
  }

  std::vector<int> pots = CellsOf(layout, kPot);
  std::stable_sort(pots.begin(), pots.end(),
                   [&](int a, int b) { return distance(a) < distance(b); });
  const int count = std::min<int>(kFeaturePots, static_cast<int>(pots.size()));
  for (int i = 0; i < count && distance(pots[i]) != kUnreachable; ++i) {
    float* const pot = block + kPots + i * kPotSize;
    pot[0] = pot[kIsEmpty] = 1;
    WriteDelta(layout, cell, pots[i], pot + kPotPlace);
    feature.pots[i] = layout.pot_at[pots[i]];
  }

  for (int direction = 0; direction < 4; ++direction) {
    block[kWalls + direction] = !layout.IsFloor(layout.Ahead(cell, direction));
  }
  return feature;
}

void WritePot(const Layout& layout, Item soup, int tick, float* pot) {
  const int mix = MixOf(soup);
  const int cook_steps = layout.cook_steps[mix];
  pot[kIsEmpty] = 0;
  pot[kIsFull] = tick >= 0 || MixSize(mix) == kMaxIngredients;
  pot[kIsCooking] = tick >= 0 && tick < cook_steps;
  pot[kIsReady] = tick >= cook_steps;
  pot[kOnionCount] = static_cast<float>(MixOnions(mix));
  pot[kTomatoCount] = static_cast<float>(MixTomatoes(mix));
  pot[kStepsLeft] = static_cast<float>(tick < 0 ? 0 : cook_steps - tick);
}

void WriteBlock(const Params& params, const State& state, int player, float* block) {
  const Layout& layout = params.layout;
  const PoseFeature& pose = params.pose_features[state.cell[player] * 4 + state.facing[player]];
  std::memcpy(block, pose.block.data(), sizeof pose.block);

  const Item held = state.held[player];
  if (IsSoup(held)) {
    block[kHeld + 1] = 1;
    block[kSoupInHand] = static_cast<float>(MixOnions(MixOf(held)));
    block[kSoupInHand + 1] = static_cast<float>(MixTomatoes(MixOf(held)));
  } else if (held != kNothing) {
    const int name = held == kOnion ? 0 : held == kDish ? 2 : 3;
    const int box = held == kOnion ? kOnionBox : held == kDish ? kDishBox : kTomatoBox;
    block[kHeld + name] = 1;
    block[box] = block[box + 1] = 0;
  }
  for (int i = 0; i < kFeaturePots && pose.pots[i] != kNoPlace; ++i) {
    const Item soup = state.object[layout.pots[pose.pots[i]]];
    if (soup == kNothing) continue;
    WritePot(layout, soup, state.tick[pose.pots[i]], block + kPots + i * kPotSize);
  }
}

}  // namespace

std::vector<PoseFeature> PoseFeatures(const Layout& layout) {
  std::vector<PoseFeature> features(static_cast<std::size_t>(layout.num_cells) * 4);
  for (int cell = 0; cell < layout.num_cells; ++cell) {
    for (int facing = 0; layout.IsFloor(cell) && facing < 4; ++facing) {
      features[cell * 4 + facing] = FeatureOf(layout, cell, facing);
    }
  }
  return features;
}

void Featurize(const Params& params, const State& state, float* out) {
  const Layout& layout = params.layout;
  const int players = layout.num_players;
  float blocks[kMaxPlayers][kBlockSize];
  for (int i = 0; i < players; ++i) WriteBlock(params, state, i, blocks[i]);

  const int first = params.HasPartner() ? params.ego : 0;
  for (int view = first; view < first + params.NumViews(); ++view) {
    const auto write_block = [&](int player) {
      std::memcpy(out, blocks[player], sizeof blocks[player]);
      out += kBlockSize;
    };
    write_block(view);
    for (int i = 0; i < players; ++i) {
      if (i != view) write_block(i);
    }
    for (int i = 0; i < players; ++i) {
      if (i == view) continue;
      WriteDelta(layout, state.cell[view], state.cell[i], out);
      out += 2;
    }
    *out++ = static_cast<float>(state.cell[view] / layout.height);
    *out++ = static_cast<float>(state.cell[view] % layout.height);
  }
}

}  // namespace rollout::kitchen
