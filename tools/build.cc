// The subcommand that makes an index out of a file: build.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "commands.h"
#include "coordinates.h"
#include "entry_source.h"
#include "progress.h"
#include "report.h"
#include "scan.h"

namespace xtree::tool {
namespace {

using Clock = std::chrono::steady_clock;

// Skipped lines are all counted; so many of them are shown.
constexpr std::size_t kSkippedLinesShown = 10;

double seconds_between(Clock::time_point start, Clock::time_point end) {
  return std::chrono::duration<double>(end - start).count();
}

detail::Schema schema_for(const BuildOptions& options) {
  detail::Schema schema;
  const std::size_t columns = options.columns.size();
  schema.dimensions = static_cast<std::uint16_t>(options.boxes ? columns / 2 : columns);
  schema.scalar = options.scalar;
  schema.shape = options.boxes ? Shape::boxes : Shape::points;
  schema.value_bytes = sizeof(std::uint64_t);
  if (options.mode == Mode::durable) schema.compression = options.compression;
  return schema;
}

Result<void> check_columns(const BuildOptions& options) {
  const std::size_t columns = options.columns.size();
  const char* problem = nullptr;
  if (options.boxes && columns % 2 != 0) {
    problem = "a box needs two columns for each axis: all minima, then all maxima";
  } else if (columns > (options.boxes ? 2u : 1u) * kMaxDimensions) {
    problem = "an index has at most 32 dimensions";
  }
  if (problem == nullptr) return {};
  return Error(ErrorCode::invalid_argument, "--columns", problem);
}

// Where the entries go: an index in memory, or one in a database.
class Target {
 public:
  // Opens the database and refuses an index of another kind, but makes no index yet, so that a bad
  // file leaves none behind.
  static Result<Target> open(const BuildOptions& options, const detail::Schema& schema) {
    Target target(options.index, schema);
    if (options.mode == Mode::in_memory) {
      auto core = detail::make_memory_index(schema);
      if (!core) return core.error();
      target.index_ = std::move(core).value();
      return target;
    }
    auto database = Database::open(options.directory);
    if (!database) return database.error();
    auto existing = database->open_index(options.index);
    if (existing) {
      if (auto same = check_schema(options.index, (*existing)->schema(), schema); !same) {
        return same.error();
      }
      target.index_ = *existing;
    } else if (existing.error().code() != ErrorCode::not_found) {
      return existing.error();
    }
    target.database_.emplace(std::move(database).value());
    return target;
  }

  Result<void> load(const EntryBuffer& entries) {
    if (auto there = require_index(); !there) return there;
    if (entries.empty()) return {};
    return index_->bulk_load(
        {entries.geometry(0), entries.value(0), entries.stride(), entries.size()}, {.threads = 0});
  }
  [[nodiscard]] const detail::IndexCore& index() const noexcept { return *index_; }

  Result<void> close() { return database_ ? database_->close() : Result<void>(); }

 private:
  Target(std::string name, const detail::Schema& schema)
      : name_(std::move(name)),
        schema_(schema) {}

  static Result<void> check_schema(const std::string& name, const detail::Schema& held,
                                   const detail::Schema& wanted) {
    detail::Schema same = wanted;
    same.compression = held.compression;  // which an index keeps
    if (held == same) return {};
    const std::string text = fmt::format("the index holds {}; this build would add {}",
                                         describe(held), describe(wanted));
    return Error(ErrorCode::already_exists, name.c_str(), text.c_str());
  }

  Result<void> require_index() {
    if (index_ != nullptr) return {};
    auto made = database_->open_index(name_, schema_, {.compression = schema_.compression});
    if (!made) return made.error();
    index_ = std::move(made).value();
    return {};
  }

  std::string name_;
  detail::Schema schema_;
  std::optional<Database> database_;
  std::shared_ptr<detail::IndexCore> index_;
};

struct Loaded {
  std::uint64_t entries = 0;
  std::uint64_t skipped = 0;
  Json skipped_lines = Json::array();
  double read_seconds = 0;
  double load_seconds = 0;
};

Result<void> load_chunk(Target& target, EntryBuffer& chunk, Loaded& loaded) {
  const Clock::time_point start = Clock::now();
  if (auto done = target.load(chunk); !done) return done;
  loaded.load_seconds += seconds_between(start, Clock::now());
  loaded.entries += chunk.size();
  chunk.clear();
  return {};
}

// Counts a bad line when they are to be skipped; otherwise gives the error back, and says what is
// already in the index.
Result<void> meet_bad_line(const Error& error, bool skip, Loaded& loaded) {
  if (error.code() != ErrorCode::invalid_argument) return error;
  if (skip) {
    if (loaded.skipped++ < kSkippedLinesShown) loaded.skipped_lines.push_back(error.message());
    return {};
  }
  const std::string_view message(error.message());
  const std::string text = fmt::format(
      "{}; {} entries were added before it (--skip-bad goes on behind such lines)",
      message.substr(std::min(message.size(), std::string_view(error.place()).size() + 2)),
      loaded.entries);
  return Error(error.code(), error.place(), text.c_str());
}

Result<Loaded> load_all(EntrySource& source, Target& target, const BuildOptions& options,
                        const detail::Schema& schema) {
  Loaded loaded;
  EntryBuffer chunk(schema);
  const std::uint64_t batch = options.batch == 0 ? detail::kEndless : options.batch;
  const CsvReader& reader = source.reader();
  const Clock::time_point start = Clock::now();
  Progress progress("reading");
  for (;;) {
    auto more = source.read_entry(chunk);
    if (!more) {
      if (auto met = meet_bad_line(more.error(), options.skip_bad, loaded); !met) {
        return met.error();
      }
      continue;
    }
    if (!*more) break;
    progress.show(loaded.entries + chunk.size(), reader.bytes_read(), reader.bytes_total());
    if (chunk.size() < batch) continue;
    if (auto done = load_chunk(target, chunk, loaded); !done) return done.error();
  }
  if (auto done = load_chunk(target, chunk, loaded); !done) return done.error();
  loaded.read_seconds = seconds_between(start, Clock::now()) - loaded.load_seconds;
  return loaded;
}

// The queries on the command line, which are also the way to ask an index in memory.
Result<void> ask(const BuildOptions& options, const detail::IndexCore& index, Json& document) {
  if (!options.window.empty()) {
    auto window = parse_window("--window", options.window, index.schema());
    if (!window) return window.error();
    const Clock::time_point start = Clock::now();
    auto count = count_hits(index, {Relation::intersects, *window});
    if (!count) return count.error();
    document["window"] = {{"count", *count}, {"seconds", seconds_between(start, Clock::now())}};
  }
  if (!options.at.empty()) {
    auto target = parse_point("--at", options.at, index.schema());
    if (!target) return target.error();
    auto hits = find_nearest(index, {.target = target->bytes, .limit = options.nearest});
    if (!hits) return hits.error();
    Json list = Json::array();
    for (std::size_t i = 0; i < hits->entries.size(); ++i) {
      std::uint64_t id = 0;
      std::memcpy(&id, hits->entries.value(i), sizeof(id));
      list.push_back({{"id", id}, {"distance", hits->distances[i]}});
    }
    document["nearest"] = std::move(list);
  }
  return {};
}

Result<Json> describe_build(const BuildOptions& options, const Loaded& loaded,
                            const detail::IndexCore& index) {
  auto stats = index.stats(nullptr);
  if (!stats) return stats.error();
  const double rate =
      loaded.load_seconds > 0 ? static_cast<double>(loaded.entries) / loaded.load_seconds : 0;
  Json document{{"index", options.index},
                {"mode", options.mode == Mode::in_memory ? "memory" : "durable"},
                {"holds", describe(index.schema())},
                {"added", loaded.entries},
                {"skipped", loaded.skipped},
                {"read_seconds", loaded.read_seconds},
                {"load_seconds", loaded.load_seconds},
                {"entries_per_second", static_cast<std::uint64_t>(rate)},
                {"skipped_lines", loaded.skipped_lines}};
  document["tree"] = {
      {"entries", stats->entries},       {"height", stats->height},
      {"leaves", stats->leaves},         {"directory_nodes", stats->directory_nodes},
      {"supernodes", stats->supernodes}, {"node_bytes", stats->node_bytes},
      {"leaf_fill", stats->leaf_fill}};
  return document;
}

}  // namespace

Result<void> run_build(const BuildOptions& options, bool json) {
  if (auto good = check_columns(options); !good) return good;
  const detail::Schema schema = schema_for(options);
  auto source = EntrySource::open(options.csv, {options.columns, options.id_column}, schema);
  if (!source) return source.error();
  auto target = Target::open(options, schema);
  if (!target) return target.error();
  auto loaded = load_all(*source, *target, options, schema);
  if (!loaded) return loaded.error();
  auto document = describe_build(options, *loaded, target->index());
  if (!document) return document.error();
  if (auto asked = ask(options, target->index(), *document); !asked) return asked;
  if (auto closed = target->close(); !closed) return closed;
  print_document(*document, json);
  return {};
}

}  // namespace xtree::tool
