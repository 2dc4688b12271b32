#include "envs/kitchen/layout.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace rollout::kitchen {
namespace {

constexpr double kDefaultValue = 20.0;
constexpr int kDefaultCookSteps = 20;
constexpr int kMaxCookSteps = 255;  // the remaining time must fit an observation's byte
constexpr std::string_view kFacingNames = "NSEW";

template <class... Parts>
std::string Text(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return text.str();
}

template <class... Parts>
[[noreturn]] void Fail(const Parts&... parts) {
  throw std::invalid_argument(Text("layout: ", parts...));
}

template <class... Parts>
[[noreturn]] void FailAt(int line, const Parts&... parts) {
  Fail("line ", line, ": ", parts...);
}

std::string Quoted(std::string_view text) { return Text("'", text, "'"); }

std::string_view Trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::vector<std::string_view> Words(std::string_view text) {
  std::vector<std::string_view> words;
  for (text = Trim(text); !text.empty(); text = Trim(text)) {
    const auto end = std::min(text.find_first_of(" \t"), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return words;
}

std::optional<int> Integer(std::string_view word) {
  int value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size()) return std::nullopt;
  return value;
}

std::optional<double> Number(std::string_view word) {
  if (word == "inf") return std::numeric_limits<double>::infinity();
  double value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

int SortedMix(int onions, int tomatoes) {
  int mix = kEmptyMix;
  for (int i = 0; i < onions; ++i) mix = AddToMix(mix, kOnion);
  for (int i = 0; i < tomatoes; ++i) mix = AddToMix(mix, kTomato);
  return mix;
}

int SortedMix(int mix) { return SortedMix(MixOnions(mix), MixTomatoes(mix)); }

std::optional<int> Mix(std::string_view word) {
  if (word.empty() || word.size() > kMaxIngredients) return std::nullopt;
  int mix = kEmptyMix;
  for (const char c : word) {
    if (c != 'o' && c != 't') return std::nullopt;
    mix = AddToMix(mix, c == 'o' ? kOnion : kTomato);
  }
  return mix;
}

struct Field {
  std::string_view value;
  int line = 0;
};

class Parser {
 public:
  Layout Parse(std::string_view text) {
    Split(text);
    ReadGrid();
    ReadOrders();
    ReadValues();
    ReadTimes();
    ReadStarts();
    return std::move(layout_);
  }

 private:
  // header lines up to the first blank one, then the grid; a text without a header is all grid
  void Split(std::string_view text) {
    enum { kBefore, kHeader, kGrid, kAfter } part = kBefore;
    int line = 0;
    while (!text.empty()) {
      const auto end = std::min(text.find('\n'), text.size());
      const std::string_view row = Trim(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
      ++line;
      if (part == kBefore && !row.empty()) {
        part = row.front() == '#' || row.find(':') != std::string_view::npos ? kHeader : kGrid;
      }
      if (row.empty()) {
        if (part == kHeader) part = kBefore;
        if (part == kGrid) part = kAfter;
      } else if (part == kHeader) {
        ReadField(row, line);
      } else if (part == kGrid) {
        rows_.push_back({row, line});
      } else {
        FailAt(line, "text after the grid: ", Quoted(row), "; end the layout with its last row");
      }
    }
    if (rows_.empty()) Fail("no grid; write the grid after a blank line below the header");
  }

  void ReadField(std::string_view row, int line) {
    static constexpr std::string_view kKeys[] = {
        "orders",      "bonus_orders", "order_bonus",  "delivery_reward", "recipe_values",
        "onion_value", "tomato_value", "cook_time",    "recipe_times",    "onion_time",
        "tomato_time", "start_player", "start_object",
    };
    if (row.front() == '#') return;
    const auto colon = row.find(':');
    if (colon == std::string_view::npos) {
      FailAt(line, "expected `key: value`, got ", Quoted(row),
             "; put a blank line between the header and the grid");
    }
    const std::string_view key = Trim(row.substr(0, colon));
    if (std::find(std::begin(kKeys), std::end(kKeys), key) == std::end(kKeys)) {
      std::string known;
      for (const auto name : kKeys) known += (known.empty() ? "" : ", ") + std::string(name);
      FailAt(line, "unknown key ", Quoted(key), "; use one of ", known);
    }
    auto& fields = fields_[key];
    const bool may_repeat = key == "start_player" || key == "start_object";
    if (!fields.empty() && !may_repeat) {
      FailAt(line, key, ": given twice, first in line ", fields.front().line, "; keep one");
    }
    fields.push_back({Trim(row.substr(colon + 1)), line});
  }

  const Field* Find(std::string_view key) const {
    const auto found = fields_.find(key);
    return found == fields_.end() ? nullptr : &found->second.front();
  }

  void ReadGrid() {
    layout_.height = static_cast<int>(rows_.size());
    layout_.width = static_cast<int>(rows_.front().value.size());
    for (const auto& [row, line] : rows_) {
      if (static_cast<int>(row.size()) != layout_.width) {
        FailAt(line, "ragged grid: this row has ", row.size(), " cells and the first has ",
               layout_.width, "; make all rows equally long (a border is never floor)");
      }
    }
    layout_.num_cells = layout_.width * layout_.height;
    if (layout_.num_cells > kMaxCells) {
      FailAt(rows_.front().line, "the grid is too large: ", layout_.width, " x ", layout_.height,
             " cells, and at most ", kMaxCells, " fit; draw a smaller kitchen");
    }
    layout_.stride = {-1, 1, layout_.height, -layout_.height};
    std::array<PlayerStart, 9> starts{};
    std::array<int, 9> start_lines{};
    for (int y = 0; y < layout_.height; ++y) {
      for (int x = 0; x < layout_.width; ++x) ReadCell(x, y, starts, start_lines);
    }
    ReadPlayers(starts, start_lines);
    if (layout_.pots.empty()) Fail("no pot: the grid has no P; put at least one P into it");
    Require(kServing, "no serving cell: the grid has no S; put at least one S into it");
    Require(kDishes, "no dish box: the grid has no D; put at least one D into it");
    const auto& terrain = layout_.terrain;
    if (std::find(terrain.begin(), terrain.end(), kOnions) == terrain.end()) {
      Require(kTomatoes, "no ingredients: the grid has neither O nor T; put one into it");
    }
  }

  void ReadCell(int x, int y, std::array<PlayerStart, 9>& starts, std::array<int, 9>& lines) {
    const auto& [row, line] = rows_[y];
    const char symbol = row[x];
    const int cell = x * layout_.height + y;
    const std::string where = " at column " + std::to_string(x + 1);
    auto terrain = static_cast<std::uint8_t>(kTerrainSymbols.find(symbol));
    if (symbol >= '1' && symbol <= '9') {
      auto& start = starts[symbol - '1'];
      if (start.cell != kNoPlace) {
        FailAt(line, "start ", symbol, where, " is drawn twice; keep one");
      }
      start.cell = static_cast<std::uint8_t>(cell);
      lines[symbol - '1'] = line;
      terrain = kFloor;
    } else if (kTerrainSymbols.find(symbol) == std::string_view::npos) {
      FailAt(line, "unknown symbol ", Quoted({&symbol, 1}), where,
             "; use space, X, O, T, D, P, S or a player's start 1..4");
    }
    const bool border = x == 0 || y == 0 || x == layout_.width - 1 || y == layout_.height - 1;
    if (terrain == kFloor && border) {
      FailAt(line, "floor on the border", where, "; close the kitchen with counters (X)");
    }
    layout_.terrain[cell] = terrain;
    layout_.pot_at[cell] = kNoPlace;
    if (terrain == kPot) {
      if (layout_.pots.size() == kMaxPots) {
        FailAt(line, "too many pots: at most ", kMaxPots, " fit; turn this one", where,
               " into a counter");
      }
      layout_.pot_at[cell] = static_cast<std::uint8_t>(layout_.pots.size());
      layout_.pots.push_back(static_cast<std::uint8_t>(cell));
    }
  }

  void ReadPlayers(const std::array<PlayerStart, 9>& starts, const std::array<int, 9>& lines) {
    for (int i = 0; i < 9; ++i) {
      if (starts[i].cell == kNoPlace) continue;
      if (i >= kMaxPlayers) {
        FailAt(lines[i], "too many players: start ", i + 1, ", and at most ", kMaxPlayers,
               " fit; use the digits 1..4");
      }
      if (i > static_cast<int>(layout_.players.size())) {
        FailAt(lines[i], "start ", i + 1, " is drawn but start ", layout_.players.size() + 1,
               " is not; number the players from 1 without gaps");
      }
      layout_.players.push_back(starts[i]);
    }
    if (layout_.players.empty()) Fail("no player: the grid has no start; put a 1 on a floor cell");
    layout_.num_players = static_cast<int>(layout_.players.size());
  }

  void Require(Terrain terrain, const char* message) const {
    const auto end = layout_.terrain.begin() + layout_.num_cells;
    if (std::find(layout_.terrain.begin(), end, terrain) == end) Fail(message);
  }

  std::vector<int> Recipes(std::string_view key) const {
    std::vector<int> recipes;
    const Field* field = Find(key);
    if (field == nullptr) return recipes;
    for (const auto word : Words(field->value)) {
      const auto mix = Mix(word);
      if (!mix) {
        FailAt(field->line, key, ": ", Quoted(word),
               " is no recipe; write 1 to 3 letters o (onion) or t (tomato)");
      }
      const int recipe = SortedMix(*mix);
      if (std::find(recipes.begin(), recipes.end(), recipe) != recipes.end()) {
        FailAt(field->line, key, ": ", Quoted(word), " is listed twice; keep one");
      }
      recipes.push_back(recipe);
    }
    return recipes;
  }

  void ReadOrders() {
    layout_.orders = Recipes("orders");
    listed_orders_ = layout_.orders;
    if (layout_.orders.empty()) {
      for (int size = 1; size <= kMaxIngredients; ++size) {
        for (int tomatoes = 0; tomatoes <= size; ++tomatoes) {
          layout_.orders.push_back(SortedMix(size - tomatoes, tomatoes));
        }
      }
    }
    layout_.bonus_orders = Recipes("bonus_orders");
    for (const int recipe : layout_.bonus_orders) {
      const auto& orders = layout_.orders;
      if (std::find(orders.begin(), orders.end(), recipe) == orders.end()) {
        FailAt(Find("bonus_orders")->line, "bonus_orders: ", Quoted(MixName(recipe)),
               " is not among the orders; add it to orders or drop it");
      }
    }
    if (const Field* field = Find("order_bonus")) {
      layout_.order_bonus = PositiveNumber("order_bonus", *field, true);
    }
  }

  static double PositiveNumber(std::string_view key, const Field& field, bool may_be_infinite) {
    const auto value = Number(field.value);
    if (!value || !(*value > 0) || (std::isinf(*value) && !may_be_infinite)) {
      FailAt(field.line, key, ": expected a number above 0, got ", Quoted(field.value),
             "; leave the line out for the default");
    }
    return *value;
  }

  static int CookSteps(std::string_view key, std::string_view word, int line) {
    const auto value = Integer(word);
    if (!value || *value < 1 || *value > kMaxCookSteps) {
      FailAt(line, key, ": expected a whole number of steps in 1..255, got ", Quoted(word),
             "; leave the line out for 20");
    }
    return *value;
  }

  // the words of a list that runs parallel to orders
  std::vector<std::string_view> PerOrder(std::string_view key, const Field& field) const {
    const auto words = Words(field.value);
    if (words.size() != listed_orders_.size() || words.empty()) {
      FailAt(field.line, key, ": expected one number for each of the ", listed_orders_.size(),
             " listed orders, got ", words.size(), "; list orders and ", key, " in the same order");
    }
    return words;
  }

  // of several ways to say one thing only one may be used, and a pair needs both halves
  void CheckLadder(std::string_view single, std::string_view list, std::string_view onion,
                   std::string_view tomato) const {
    const Field* half = Find(onion) != nullptr ? Find(onion) : Find(tomato);
    if (half != nullptr && (Find(onion) == nullptr || Find(tomato) == nullptr)) {
      FailAt(half->line, onion, " and ", tomato, " belong together; give both or neither");
    }
    const Field* ways[] = {Find(single), Find(list), half};
    const Field* first = nullptr;
    for (const Field* way : ways) {
      if (way == nullptr) continue;
      if (first != nullptr) {
        FailAt(way->line, "only one of ", single, ", ", list, " and ", onion, " + ", tomato,
               " may be given; line ", first->line, " gives another: drop one");
      }
      first = way;
    }
  }

  void ReadValues() {
    CheckLadder("delivery_reward", "recipe_values", "onion_value", "tomato_value");
    std::array<double, kNumMixes> worth;
    worth.fill(kDefaultValue);
    if (const Field* field = Find("delivery_reward")) {
      worth.fill(PositiveNumber("delivery_reward", *field, false));
    } else if (const Field* list = Find("recipe_values")) {
      const auto words = PerOrder("recipe_values", *list);
      for (std::size_t i = 0; i < words.size(); ++i) {
        const auto value = Number(words[i]);
        if (!value || !(*value >= 0) || std::isinf(*value)) {
          FailAt(list->line, "recipe_values: expected numbers of at least 0, got ",
                 Quoted(words[i]), "; write one plain number an order");
        }
        worth[listed_orders_[i]] = *value;
      }
    } else if (const Field* onion = Find("onion_value")) {
      const double onion_value = PositiveNumber("onion_value", *onion, false);
      const double tomato_value = PositiveNumber("tomato_value", *Find("tomato_value"), false);
      for (int mix = 2; mix < kNumMixes; ++mix) {
        worth[mix] = onion_value * MixOnions(mix) + tomato_value * MixTomatoes(mix);
      }
    }
    const auto has = [](const std::vector<int>& recipes, int recipe) {
      return std::find(recipes.begin(), recipes.end(), recipe) != recipes.end();
    };
    for (int mix = 2; mix < kNumMixes; ++mix) {
      const int recipe = SortedMix(mix);
      if (!has(layout_.orders, recipe) || worth[recipe] == 0) continue;
      layout_.value[mix] =
          worth[recipe] * (has(layout_.bonus_orders, recipe) ? layout_.order_bonus : 1.0);
    }
  }

  void ReadTimes() {
    CheckLadder("cook_time", "recipe_times", "onion_time", "tomato_time");
    auto& steps = layout_.cook_steps;
    steps.fill(kDefaultCookSteps);
    if (const Field* field = Find("cook_time")) {
      steps.fill(static_cast<std::int16_t>(CookSteps("cook_time", field->value, field->line)));
    } else if (const Field* list = Find("recipe_times")) {
      const auto words = PerOrder("recipe_times", *list);
      for (std::size_t i = 0; i < words.size(); ++i) {
        steps[listed_orders_[i]] =
            static_cast<std::int16_t>(CookSteps("recipe_times", words[i], list->line));
      }
      for (int mix = 2; mix < kNumMixes; ++mix) steps[mix] = steps[SortedMix(mix)];
    } else if (const Field* onion = Find("onion_time")) {
      const Field* tomato = Find("tomato_time");
      const int onion_steps = CookSteps("onion_time", onion->value, onion->line);
      const int tomato_steps = CookSteps("tomato_time", tomato->value, tomato->line);
      for (int mix = 2; mix < kNumMixes; ++mix) {
        const int total = onion_steps * MixOnions(mix) + tomato_steps * MixTomatoes(mix);
        if (total > kMaxCookSteps) {
          FailAt(onion->line, "onion_time, tomato_time: ", MixName(mix), " would cook ", total,
                 " steps, and a soup cooks at most 255; lower them");
        }
        steps[mix] = static_cast<std::int16_t>(total);
      }
    }
  }

  int Cell(std::string_view key, std::string_view word, int line) const {
    const auto comma = word.find(',');
    const auto x = Integer(word.substr(0, comma));
    const auto y = comma == std::string_view::npos ? std::nullopt : Integer(word.substr(comma + 1));
    if (!x || !y || *x < 0 || *x >= layout_.width || *y < 0 || *y >= layout_.height) {
      FailAt(line, key, ": expected a cell x,y in the ", layout_.width, " x ", layout_.height,
             " grid, got ", Quoted(word), "; count columns and rows from 0");
    }
    return *x * layout_.height + *y;
  }

  // onion, tomato, dish, soup:oot or soup:oot@TICK; the tick is -1 where none is written
  static std::pair<Item, int> ReadItem(std::string_view key, std::string_view word, int line) {
    if (word == "onion") return {kOnion, -1};
    if (word == "tomato") return {kTomato, -1};
    if (word == "dish") return {kDish, -1};
    if (word.substr(0, 5) == "soup:") {
      const auto at = word.find('@');
      const auto mix = Mix(word.substr(5, at == std::string_view::npos ? at : at - 5));
      const auto tick =
          at == std::string_view::npos ? std::optional<int>(-1) : Integer(word.substr(at + 1));
      const bool plain = at == std::string_view::npos;
      if (mix && tick && (plain || *tick >= 0)) return {static_cast<Item>(kSoup + *mix), *tick};
    }
    FailAt(line, key, ": unknown item ", Quoted(word),
           "; use onion, tomato, dish, soup:oot or (in a pot) soup:oot@5");
  }

  void ReadStarts() {
    std::array<bool, kMaxPlayers> placed{};
    for (const auto& [value, line] : Repeated("start_player")) {
      const auto words = Words(value);
      const int number = words.empty() ? 0 : Integer(words[0]).value_or(0);
      const auto facing = words.size() < 3 || words[2].size() != 1 ? std::string_view::npos
                                                                   : kFacingNames.find(words[2]);
      if (words.size() < 3 || words.size() > 4 || facing == std::string_view::npos) {
        FailAt(line, "start_player: expected `player x,y facing [item]`, got ", Quoted(value),
               "; write for instance `1 4,3 W` or `2 1,1 N dish`");
      }
      if (number < 1 || number > layout_.num_players || placed[number - 1]) {
        FailAt(line, "start_player: player ", number,
               " is not in the grid or given twice; number players 1..", layout_.num_players);
      }
      placed[number - 1] = true;
      auto& player = layout_.players[number - 1];
      player.cell = static_cast<std::uint8_t>(Cell("start_player", words[1], line));
      player.facing = static_cast<std::uint8_t>(facing);
      if (!layout_.IsFloor(player.cell)) {
        FailAt(line, "start_player: ", Quoted(words[1]), " is not floor; start on a floor cell");
      }
      if (words.size() == 4) {
        const auto [item, tick] = ReadItem("start_player", words[3], line);
        if (tick >= 0) FailAt(line, "start_player: a held soup is ready; drop the @ and its steps");
        player.held = item;
      }
    }
    for (std::size_t i = 0; i < layout_.players.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (layout_.players[i].cell != layout_.players[j].cell) continue;
        Fail("start_player: players ", j + 1, " and ", i + 1,
             " start on one cell; move one of them");
      }
    }
    for (const auto& [value, line] : Repeated("start_object")) ReadObject(value, line);
  }

  void ReadObject(std::string_view value, int line) {
    const auto words = Words(value);
    if (words.size() != 2) {
      FailAt(line, "start_object: expected `x,y item`, got ", Quoted(value),
             "; write for instance `2,0 soup:oo` or `3,3 dish`");
    }
    const int cell = Cell("start_object", words[0], line);
    const auto [item, tick] = ReadItem("start_object", words[1], line);
    const bool pot = layout_.terrain[cell] == kPot;
    if (!(pot && IsSoup(item)) && !(layout_.terrain[cell] == kCounter && tick < 0)) {
      FailAt(line, "start_object: ", Quoted(value),
             ": a pot holds only a soup, a counter any finished item, other cells "
             "nothing; choose another cell or item");
    }
    if (tick > layout_.cook_steps[MixOf(item) & (kNumMixes - 1)]) {
      FailAt(line, "start_object: ", Quoted(value), ": this soup is ready after ",
             layout_.cook_steps[MixOf(item)], " steps; write at most that after @");
    }
    for (const auto& other : layout_.objects) {
      if (other.cell == cell) {
        FailAt(line, "start_object: ", Quoted(words[0]), " already holds an object; keep one");
      }
    }
    layout_.objects.push_back(
        {static_cast<std::uint8_t>(cell), item, static_cast<std::int16_t>(tick)});
  }

  std::vector<Field> Repeated(std::string_view key) const {
    const auto found = fields_.find(key);
    return found == fields_.end() ? std::vector<Field>{} : found->second;
  }

  Layout layout_;
  std::vector<Field> rows_;
  std::map<std::string_view, std::vector<Field>> fields_;
  std::vector<int> listed_orders_;
};

}  // namespace

std::string MixName(int mix) {
  std::string name;
  for (; mix > 1; mix /= 2) name.insert(name.begin(), mix & 1 ? 't' : 'o');
  return name;
}

Layout ParseLayout(std::string_view text) {
  Layout layout = Parser().Parse(text);
  FillTables(layout);
  return layout;
}

}  // namespace rollout::kitchen
