#include "xtree/database.h"

#include "index/batch_content.h"
#include "index/database_core.h"
#include "index/operation.h"
#include "platform/check.h"
#include "platform/without_throwing.h"

namespace xtree {
namespace {

// Every call comes in here: memory that runs out behind it is an error and no exception.
template <class Work>
auto guarded(Work&& work) noexcept {
  return platform::without_throwing("database", std::forward<Work>(work));
}

// The operations of a batch that may be handed to this database.
Result<void> check_batch(const detail::OperationList::Content& content,
                         const detail::DatabaseCore* core) {
  if (!content.fits(core)) {
    return Error(ErrorCode::invalid_argument, "batch", "its indexes are of another database");
  }
  return {};
}

}  // namespace

Database::Database(std::shared_ptr<detail::DatabaseCore> core) noexcept : core_(std::move(core)) {}
Database::Database(Database&&) noexcept = default;

Database& Database::operator=(Database&& other) noexcept {
  std::swap(core_, other.core_);
  return *this;
}

Database::~Database() {
  if (core_) static_cast<void>(core_->close());
}

Result<Database> Database::open(std::string_view directory, const Options& options) {
  auto core = guarded([&] { return detail::DatabaseCore::open(directory, options); });
  if (!core) return core.error();
  return Database(std::move(core).value());
}

Result<void> Database::close() {
  return guarded([this] { return core_->close(); });
}

Result<std::shared_ptr<detail::IndexCore>> Database::open_index(std::string_view name,
                                                                const detail::Schema& schema,
                                                                const IndexOptions& options) {
  if (options.mode == Mode::durable) {
    detail::Schema wanted = schema;
    wanted.compression = options.compression;
    return guarded([&] { return core_->open_index(name, &wanted); });
  }
  if (!index::is_plain_word(name)) {
    return Error(ErrorCode::invalid_argument, "name", "an index's name is a plain word");
  }
  return guarded([&]() -> Result<std::shared_ptr<detail::IndexCore>> {
    auto core = detail::make_memory_index(schema);
    if (!core) return core.error();
    return std::shared_ptr<detail::IndexCore>(std::move(core).value());
  });
}

Result<std::shared_ptr<detail::IndexCore>> Database::open_index(std::string_view name) {
  return guarded([&] { return core_->open_index(name, nullptr); });
}

Result<void> Database::drop_index(std::string_view name) {
  return guarded([&] { return core_->drop_index(name); });
}

Result<std::vector<IndexDescription>> Database::indexes() const {
  return guarded([this] { return core_->indexes(); });
}

Result<void> Database::apply(const Batch& batch) { return apply(batch, core_->durability()); }

Result<void> Database::apply(const Batch& batch, Durability durability) {
  XTREE_TRY(batch.operations_.status());
  return guarded([&]() -> Result<void> {
    const auto* content = batch.operations_.content();
    if (content == nullptr) return core_->check_open();
    XTREE_TRY(check_batch(*content, core_.get()));
    return core_->commit(content->operations, content->count, durability, nullptr);
  });
}

Result<Token> Database::apply_async(const Batch& batch) {
  XTREE_TRY(batch.operations_.status());
  return guarded([&]() -> Result<Token> {
    const auto* content = batch.operations_.content();
    if (content == nullptr) return Token{};
    XTREE_TRY(check_batch(*content, core_.get()));
    return core_->commit_async(content->operations, content->count);
  });
}

Result<void> Database::wait(Token token) {
  return guarded([&] { return core_->wait(token); });
}

Snapshot Database::snapshot() const { return Snapshot(core_->snapshot()); }

Result<std::optional<std::string>> Database::get(std::string_view name) const {
  return guarded([&] { return core_->get(name, nullptr); });
}

Result<void> Database::checkpoint() {
  return guarded([this] { return core_->checkpoint(); });
}

Result<void> Database::compact() {
  return guarded([this] { return core_->compact(); });
}

Result<void> Database::pause_compaction() {
  return guarded([this] { return core_->pause_compaction(true); });
}

Result<void> Database::resume_compaction() {
  return guarded([this] { return core_->pause_compaction(false); });
}

Result<DatabaseStats> Database::stats() const {
  return guarded([this] { return core_->stats(); });
}

OpenReport Database::open_report() const { return core_->open_report(); }

Result<void> Database::verify() const {
  return guarded([this] { return core_->verify(); });
}

Result<std::optional<std::string>> Snapshot::get(std::string_view name) const {
  return guarded([&] { return core_->database().get(name, core_.get()); });
}

std::uint64_t Snapshot::epoch() const noexcept { return core_->epoch(); }

}  // namespace xtree
