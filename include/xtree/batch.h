// Batch: writes that happen together or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "xtree/config.h"
#include "xtree/detail/engine.h"
#include "xtree/result.h"

namespace xtree {

class Database;

namespace detail {

enum class Change : std::uint8_t { insert = 1, erase = 2, update = 3, clear = 4 };

// The operations of a batch as they go into the log, and the first error that one of them met.
class XTREE_EXPORT OperationList {
 public:
  OperationList() noexcept;
  OperationList(OperationList&&) noexcept;
  OperationList& operator=(OperationList&&) noexcept;
  ~OperationList();

  void add(Change change, const IndexCore& index, const void* geometry, const void* to,
           const void* value);
  void put(std::string_view name, std::string_view value);
  void remove(std::string_view name);
  void clear() noexcept;
  [[nodiscard]] std::size_t size() const noexcept;
  // Why the list cannot be applied: the first operation that was refused, or found no memory.
  [[nodiscard]] Result<void> status() const noexcept;

  struct Content;
  [[nodiscard]] const Content* content() const noexcept { return content_.get(); }

 private:
  template <class Work>
  void change(Work&& work) noexcept;

  std::unique_ptr<Content> content_;
  bool is_incomplete_ = false;  // for want of memory
};

}  // namespace detail

// A list of writes over any number of a database's durable indexes, and of small named values that
// change with them (the offset of a consumer, say).
//
//   xtree::Batch batch;
//   batch.insert(roads, box, 43).erase(roads, old_box, 42).put("offset", "1234");
//   db.apply(batch).value();
//
// `Database::apply` does all of it or nothing, also across a crash. Operations take effect in their
// order. Erasing or updating an entry that is absent changes nothing and is not an error. An
// operation that is refused (NaN, inverted box, an index of another database or in memory) makes
// `apply` fail with `invalid_argument`, one that finds no memory with `out_of_memory`. A batch may
// be applied again; it is not for two threads. Names are plain words; a value has at most 4096
// bytes, and all of a database's together 256 KiB.
class Batch {
 public:
  template <class Index>
  Batch& insert(const Index& index, const typename Index::Geometry& geometry,
                const typename Index::Value& value) {
    operations_.add(detail::Change::insert, index.core(), &geometry, nullptr, &value);
    return *this;
  }
  template <class Index>
  Batch& erase(const Index& index, const typename Index::Geometry& geometry,
               const typename Index::Value& value) {
    operations_.add(detail::Change::erase, index.core(), &geometry, nullptr, &value);
    return *this;
  }
  template <class Index>
  Batch& update(const Index& index, const typename Index::Geometry& from,
                const typename Index::Geometry& to, const typename Index::Value& value) {
    operations_.add(detail::Change::update, index.core(), &from, &to, &value);
    return *this;
  }
  template <class Index>
  Batch& clear(const Index& index) {
    operations_.add(detail::Change::clear, index.core(), nullptr, nullptr, nullptr);
    return *this;
  }
  Batch& put(std::string_view name, std::string_view value) {
    operations_.put(name, value);
    return *this;
  }
  Batch& remove(std::string_view name) {
    operations_.remove(name);
    return *this;
  }

  // Makes the batch empty, to be filled again.
  void reset() noexcept { operations_.clear(); }
  [[nodiscard]] std::size_t size() const noexcept { return operations_.size(); }

 private:
  friend class Database;
  detail::OperationList operations_;
};

}  // namespace xtree
