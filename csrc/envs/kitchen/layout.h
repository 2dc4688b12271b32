// A kitchen's fixed facts: a strict text parser, and the tables that make stepping a lookup.
//
// A layout is a header of `key: value` lines, a blank line, and a grid. `#` opens a comment line in
// the header. Keys (all optional):
//
//   orders, bonus_orders        recipes as words of o (onion) and t (tomato): `ooo oot t`
//   order_bonus                 factor for a bonus order (2; `inf` is legal)
//   delivery_reward | recipe_values | onion_value + tomato_value       what a soup is worth (20)
//   cook_time | recipe_times | onion_time + tomato_time                steps to cook, 1..255 (20)
//   start_player                `2 4,1 N dish`: player, cell x,y, facing N S E W, held item if any
//   start_object                `2,0 soup:oo`: cell x,y and item, may repeat
//
// An item is onion, tomato, dish, soup:oot, or, in a pot only, soup:oot@5 (cooking since 5 steps);
// a pot's soup without @ is idle, a soup elsewhere is ready. The grid has one symbol a cell: space
// (floor), X counter, O onions, T tomatoes, D dishes, P pot, S serving, 1..4 player starts.
//
// Cells are numbered x * height + y, so that an observation [x][y][channel] is indexed by the cell.
// Owns its memory. Immutable after parsing, so safe to share between threads. Parsing takes well
// under a millisecond; the distance tables take a byte for each (target, cell, facing).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rollout::kitchen {

inline constexpr int kMaxCells = 128;
inline constexpr int kMaxPlayers = 4;
inline constexpr int kMaxPots = 8;
inline constexpr int kMaxIngredients = 3;
inline constexpr std::uint8_t kNoPlace = 255;      // no cell, no pot, no region
inline constexpr std::uint8_t kUnreachable = 255;  // in the distance tables

enum Terrain : std::uint8_t { kFloor, kCounter, kOnions, kTomatoes, kDishes, kPot, kServing };
inline constexpr std::string_view kTerrainSymbols = " XOTDPS";

enum Direction : std::uint8_t { kNorth, kSouth, kEast, kWest };

// An item is one byte. A soup is kSoup + its ingredients in order, written in binary after a
// leading 1, with onion 0 and tomato 1: "o" = 0b10, "oto" = 0b1010.
using Item = std::uint8_t;
inline constexpr Item kNothing = 0, kOnion = 1, kTomato = 2, kDish = 3, kSoup = 16;
inline constexpr int kNumItems = 32;
inline constexpr int kEmptyMix = 1;  // no ingredients yet
inline constexpr int kNumMixes = 16;

constexpr bool IsSoup(Item item) { return item >= kSoup; }
constexpr bool IsIngredient(Item item) { return item == kOnion || item == kTomato; }
constexpr int MixOf(Item soup) { return soup - kSoup; }
constexpr int AddToMix(int mix, Item ingredient) { return 2 * mix + (ingredient == kTomato); }
constexpr int MixSize(int mix) { return mix >= 8 ? 3 : mix >= 4 ? 2 : mix >= 2 ? 1 : 0; }
constexpr int MixTomatoes(int mix) {
  int tomatoes = 0;
  for (; mix > 1; mix /= 2) tomatoes += mix & 1;
  return tomatoes;
}
constexpr int MixOnions(int mix) { return MixSize(mix) - MixTomatoes(mix); }

// What adding an ingredient does to the best value that a pot can still reach.
enum PottingOutcome : std::uint8_t {
  kOptimal = 1,
  kViable = 2,
  kCatastrophic = 4,
  kUseless = 8,
};

struct PlayerStart {
  std::uint8_t cell = kNoPlace;
  std::uint8_t facing = kNorth;
  Item held = kNothing;
};

struct ObjectStart {
  std::uint8_t cell = kNoPlace;
  Item item = kNothing;
  std::int16_t tick = -1;  // pots only
};

struct Layout {
  int width = 0, height = 0, num_cells = 0, num_players = 0;
  std::array<std::uint8_t, kMaxCells> terrain{};
  std::vector<PlayerStart> players;
  std::vector<ObjectStart> objects;

  std::vector<int> orders, bonus_orders;  // mixes, ingredients sorted
  double order_bonus = 2.0;

  // by mix: what serving it pays (0 when nobody ordered it), and how long it cooks
  std::array<double, kNumMixes> value{};
  std::array<std::int16_t, kNumMixes> cook_steps{};
  // [mix before][0 onion, 1 tomato]: PottingOutcome bits
  std::array<std::array<std::uint8_t, 2>, kNumMixes> potting{};

  std::vector<std::uint8_t> pots;                // cells
  std::array<std::uint8_t, kMaxCells> pot_at{};  // cell -> pot, or kNoPlace
  std::array<int, 4> stride{};                   // cell number step by direction

  // floor is cut into regions that no player ever leaves
  std::array<std::uint8_t, kMaxCells> region{};       // floor cell -> region, or kNoPlace
  std::array<std::uint32_t, kMaxCells> touched_by{};  // other cell -> bit set of regions beside it
  std::array<std::uint32_t, kTerrainSymbols.size()>
      reach{};                // terrain -> bit set of regions beside
  std::uint32_t peopled = 0;  // bit set of regions in which a player starts

  // fewest actions until a player at (cell, facing) faces a target: [target][cell * 4 + facing]
  std::array<std::uint8_t, kMaxCells> distance_row{};  // target cell -> row, or kNoPlace
  std::vector<std::uint8_t> distance;

  bool IsFloor(int cell) const { return terrain[cell] == kFloor; }
  int Ahead(int cell, int direction) const { return cell + stride[direction]; }
  int Distance(int target, int cell, int facing) const {
    const int row = distance_row[target];
    if (row == kNoPlace) return kUnreachable;
    return distance[(row * num_cells + cell) * 4 + facing];
  }
};

// Throws std::invalid_argument naming the line, the rule, what arrived and the next move.
Layout ParseLayout(std::string_view text);

// Derives every table of a layout whose grid, orders, values and times are set (tables.cc);
// ParseLayout calls it. Throws std::invalid_argument where a start or a station is out of reach.
void FillTables(Layout& layout);

// "oot" for a mix, ingredients in the order in which they went in.
std::string MixName(int mix);

}  // namespace rollout::kitchen
