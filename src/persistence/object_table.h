// ObjectTable: from a NodeID to the newest version of its node, in one load.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include "persistence/frame.h"
#include "persistence/node_id.h"
#include "persistence/table_file.h"
#include "platform/memory.h"
#include "xtree/result.h"

namespace xtree::persistence {

// Three parallel arrays in reserved address space, with one element for each handle:
//
//   hot    where the newest version is, and the tag of the slot's present life: all that readers of
//          resident nodes touch (8 bytes)
//   cold   where the last checkpoint put the node (16 bytes)
//   side   the epoch that ended a destroyed node, or the next slot of the free list (8 bytes,
//          touched for such slots only)
//
// The arrays are far apart, and each costs its own pages of memory and of page tables; so the first
// elements of the others lie before the first hot words, where a small table has all in one page.
//
// A hot word is `tag << 48 | frame`: the tag stands where a NodeID has it, so taking the NodeID's
// away leaves the frame's address, and anything else says that the word is of another life. Frames
// are aligned to 64 bytes, so six bits of the address are zero; the lowest of them, `kEnded`, marks
// a node that was destroyed and that older epochs may still need. A word without an address is of a
// node that is only on disk, or of a free slot, which holds the tag of its next life. Zero, the
// state of untouched memory, matches no NodeID.
//
// Readers call `word` and `look_up` and use a Reader at any time, from any thread, and so do those
// who allocate and free. A node's hot and side words are changed by the writer, and by `fill`,
// which belongs to whoever holds the handle's load lock; cold words belong to the checkpointer, and
// loaders read them under that lock (node_loader.h).
// design/concurrency.md, "Slots".
class ObjectTable {
 public:
  // Slots of all shards in this build; a NodeID has room for 2^42. They take 32 GiB of addresses,
  // and the hot words that stray NodeIDs lead to 24 GiB more: together what a program can have
  // under Valgrind. A shard takes slots in chunks, one after the other as they are needed: so those
  // in use lie close together, however many shards they belong to, and readers cannot tell one
  // shard from many. A chunk is an odd number of cache lines, which spreads the beginnings of
  // chunks over a cache's sets.
  static constexpr std::uint64_t kSlots = std::uint64_t{1} << 30;
  static constexpr std::uint32_t kChunkSlots = 65 * 8;
  static constexpr std::uint16_t kLastTag = 0xffff;

  enum class State : std::uint8_t { stale, cold, resident };
  struct Lookup {
    State state = State::stale;
    bool ended = false;            // destroyed at `end_epoch`
    FrameHeader* frame = nullptr;  // the newest version there is in memory
    std::uint64_t end_epoch = 0;
  };

  [[nodiscard]] static Result<ObjectTable> create();

  // Makes sure that so many `allocate`s of one Allocator, while no other one is used, do not fail
  // for want of memory. False when the system has no more to promise.
  [[nodiscard]] bool reserve(std::uint64_t handles) noexcept {
    return make_room(std::uint64_t{slots_end()} + handles + kChunkSlots);
  }

  // The hot word of the id's slot. Acquire: whoever sees a frame's address sees the frame's header,
  // and pairs with the release stores in `set_frame`, `end`, `relink_ended` and `fill`.
  [[nodiscard]] std::uint64_t word(NodeId id) const noexcept {
    return std::atomic_ref(hot_[index(id)]).load(std::memory_order_acquire);
  }
  // Says that the word belongs to this life of the slot and that the node was not destroyed.
  [[nodiscard]] static constexpr bool is_plain(std::uint64_t word, NodeId id) noexcept {
    return (without_tag(word, id) & kTagAndFlags) == 0;
  }
  // The frame of a plain word, which may still be null.
  [[nodiscard]] static FrameHeader* frame_of(std::uint64_t plain_word, NodeId id) noexcept {
    return reinterpret_cast<FrameHeader*>(without_tag(plain_word, id));
  }
  // What readers of nodes in memory need of the table: one word, to be passed by value.
  class Reader {
   public:
    explicit Reader(const std::uint64_t* hot) noexcept : hot_(hot) {}

    // The newest version of the node if that is what `epoch` sees; null says that there is more to
    // look at: the node may have ended, be on disk, or have an older version for this epoch.
    [[nodiscard]] [[gnu::always_inline]] const FrameHeader* resident(
        NodeId id, std::uint64_t epoch) const noexcept {
      const std::uint64_t word = load(id);
      if (!is_plain(word, id)) [[unlikely]]
        return nullptr;
      const FrameHeader* frame = frame_of(word, id);
      if (frame == nullptr || frame->birth > epoch) [[unlikely]]
        return nullptr;
      return frame;
    }
    // Starts to bring the slot near.
    void prefetch_slot(NodeId id) const noexcept { __builtin_prefetch(&hot_[index(id)]); }
    // Starts to bring the frame's first lines near. It believes the slot whatever it holds, since a
    // prefetch of any address at all is harmless; so nothing waits for the slot but the prefetch.
    template <std::size_t lines = 1>
    void prefetch_frame(NodeId id) const noexcept {
      const std::uintptr_t frame = without_tag(load(id), id);  // a number: maybe no address
      for (std::size_t i = 0; i < lines; ++i) {
        __builtin_prefetch(reinterpret_cast<const void*>(frame + 64 * i));
      }
    }

   private:
    [[nodiscard]] std::uint64_t load(NodeId id) const noexcept {
      return std::atomic_ref(const_cast<std::uint64_t&>(hot_[index(id)]))
          .load(std::memory_order_acquire);
    }
    const std::uint64_t* hot_;
  };
  [[nodiscard]] Reader reader() const noexcept { return Reader(hot_); }

  [[nodiscard]] Lookup look_up(NodeId id) const noexcept;
  void prefetch(NodeId id) const noexcept { __builtin_prefetch(&hot_[index(id)]); }

  // Gives out handles and takes them back, for one thread at a time. It has a shard for itself
  // while it lives, so that threads that allocate do not meet. Move-only; the table outlives it.
  class Allocator {
   public:
    Allocator() = default;
    Allocator(Allocator&& other) noexcept
        : table_(std::exchange(other.table_, nullptr)),
          shard_(other.shard_) {}
    Allocator& operator=(Allocator&& other) noexcept {
      std::swap(table_, other.table_);
      std::swap(shard_, other.shard_);
      return *this;
    }
    ~Allocator();

    // False for a default-made or moved-from one, and when there was no shard left.
    explicit operator bool() const noexcept { return table_ != nullptr; }
    // A new life of a slot, without a frame yet; a null NodeID when the table is full, or there is
    // no memory for it.
    [[nodiscard]] NodeId allocate() noexcept;
    // As the table's `free`, without the two writes to memory that others write too, if the handle
    // is of this shard.
    void free(NodeId id) noexcept;

   private:
    friend class ObjectTable;
    Allocator(ObjectTable* table, unsigned shard) noexcept : table_(table), shard_(shard) {}
    ObjectTable* table_ = nullptr;
    unsigned shard_ = 0;
  };
  // Any thread. Takes the first shard that nobody has, so that another one becomes active only when
  // as many threads allocate at once.
  [[nodiscard]] Allocator lease() noexcept;

  void set_frame(NodeId id, FrameHeader* frame) noexcept;
  // The node ends at `epoch`; `newest`, which may be null when it is only on disk, stays reachable
  // for older epochs.
  void end(NodeId id, FrameHeader* newest, std::uint64_t epoch) noexcept;
  // Another newest version of a node that has ended.
  void relink_ended(NodeId id, FrameHeader* newest) noexcept;
  // Ends this life of the slot: no NodeID that was given out resolves to it any more. A slot that
  // has used up its tags is set aside for ever. Any thread that knows that the life is over.
  void free(NodeId id) noexcept;
  // Publishes what was read from disk, and keeps the mark of an ended node.
  void fill(NodeId id, FrameHeader* frame) noexcept;
  // Forgets the frame of a node that has not ended and is on disk. The writer's, who holds the
  // handle's load lock.
  void unload(NodeId id) noexcept { store_word(id, tag_word(id.tag())); }

  // What the last checkpoint holds for the id's handle, possibly of an earlier life; its `id` is
  // zero when there is nothing.
  [[nodiscard]] TableEntry on_disk(NodeId id) const noexcept;
  void set_on_disk(const TableEntry& entry) noexcept;
  void clear_on_disk(NodeId id) noexcept;
  // Calls `visit(const TableEntry&)` for every image that the last checkpoint holds, in the order
  // of the slots. For the checkpointer, beside everybody else.
  template <class Visit>
  void for_each_on_disk(Visit&& visit) const {
    // Only a chunk that a checkpoint knows has such slots, and its owner has long been there.
    for_each_used([&](unsigned shard, std::uint32_t index) {
      if (cold(index).segment != 0) visit(on_disk(name(shard, index, cold(index).tag)));
    });
  }

  // Takes over a checkpoint's entry, before any other use; entries come by ascending handle.
  // `corruption` when the entry makes no sense, `out_of_memory` when there is none for its slot.
  Result<void> restore(const TableEntry& entry);

  // The newest version in a slot whose node is in memory and has not ended; null for other slots.
  // The writer's, who asks for one slot after the other, up to `slots_end`.
  [[nodiscard]] FrameHeader* newest_at(std::uint32_t index) const noexcept {
    const std::uint64_t seen = word(name(0, index, 0));
    return (seen & kEnded) != 0 ? nullptr : address_in(seen);
  }
  [[nodiscard]] std::uint32_t slots_end() const noexcept { return chunks_end() * kChunkSlots; }

  // Nodes that have not been destroyed; exact when nobody allocates or frees meanwhile.
  [[nodiscard]] std::uint64_t live() const noexcept;
  // Calls `visit(NodeId)` for every node that has not been destroyed. The writer's business.
  template <class Visit>
  void for_each_live(Visit&& visit) const {
    for_each_used([&](unsigned shard, std::uint32_t index) {
      if (const NodeId id = live_id(shard, index)) visit(id);
    });
  }

 private:
  static constexpr std::uint64_t kEnded = 1;
  static constexpr std::uint64_t kTag = ~std::uint64_t{0} << kHandleBits;
  static constexpr std::uint64_t kTagAndFlags = kTag | (kFrameAlignment - 1);
  static constexpr std::uint64_t kFree = std::uint64_t{1} << 63;  // in a side word
  static constexpr std::uint32_t kNoSlot = 0xffffffff;

  // A TableEntry without its handle, in 16 bytes.
  struct Cold {
    std::uint32_t segment;
    std::uint32_t place;
    std::uint32_t checksum;
    std::uint16_t tag;  // of the life that the image belongs to; 0 when there is none
    std::uint16_t units;  // the image's size in units of kImageAlignment
  };
  static_assert(sizeof(Cold) == 16);
  static_assert(kMaxFrameBytes / kImageAlignment <= 0xffff);

  // The beginnings of the arrays behind the hot words. They and the first 144 of those are a page.
  static constexpr std::uint32_t kNearSlots = 120;
  static constexpr std::uint32_t kNearChunks = 64;
  struct Near {
    std::array<Cold, kNearSlots> cold;
    std::array<std::uint64_t, kNearSlots> side;
    std::array<std::uint8_t, kNearChunks> owners;
  };
  static_assert(sizeof(Near) % 64 == 0 &&
                sizeof(Near) + kNearSlots * sizeof(std::uint64_t) <= 4096);

  // The first line is its Allocator's, the second everybody's.
  struct alignas(64) Shard {
    // The part of the newest chunk that was never used. Atomic for those who visit slots meanwhile:
    // what they look for was used long before they were called, so it orders nothing.
    std::atomic<std::uint32_t> next = 0;
    std::uint32_t end = 0;
    std::uint32_t free_list = kNoSlot;  // an index
    // Handles that the Allocator gave out and took back. Atomic for those who count meanwhile; they
    // order nothing.
    std::atomic<std::uint64_t> given = 0;
    std::atomic<std::uint64_t> taken = 0;

    [[nodiscard]] std::uint32_t next_slot() const noexcept {
      return next.load(std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint32_t take_next() noexcept {
      const std::uint32_t slot = next_slot();
      next.store(slot + 1, std::memory_order_relaxed);
      return slot;
    }

    alignas(64) std::atomic<bool> leased = false;
    // What others have freed, linked like the free list; the Allocator takes all of it at once.
    std::atomic<std::uint32_t> returned = kNoSlot;
    std::atomic<std::uint64_t> returned_in_all = 0;
  };
  struct Shards {
    std::array<Shard, kShards> at;
    // The chunks before it have owners. Each is taken by who moves it on; that orders nothing else.
    std::atomic<std::uint32_t> next_chunk = 0;
    // Destroyed nodes whose slots are not free yet. A count, which orders nothing.
    std::atomic<std::uint64_t> ended = 0;
    // What `restore` has taken: the last handle plus 1, and the chunks up to here.
    std::uint64_t restored_handles = 0;
    std::uint32_t restored_chunks = 0;
    // Slots before it can be written to; release, after they were made so. It grows under the
    // mutex.
    std::atomic<std::uint64_t> writable = 0;
    std::mutex growing;
  };

  explicit ObjectTable(platform::ReservedRange range);

  // Slots are numbered through all shards, so the low 32 bits of the NodeID are the place in the
  // arrays: no branch, no directory, no operation at all. Every 64-bit pattern leads to a hot word
  // inside the reservation, and those behind the last slot are zero.
  [[nodiscard]] static constexpr std::uint32_t index(NodeId id) noexcept {
    return static_cast<std::uint32_t>(id.bits);
  }
  [[nodiscard]] static constexpr std::uint16_t tag_of(std::uint64_t word) noexcept {
    return static_cast<std::uint16_t>(word >> kHandleBits);
  }
  [[nodiscard]] static constexpr std::uint64_t tag_word(std::uint16_t tag) noexcept {
    return std::uint64_t{tag} << kHandleBits;
  }
  // One operation on the way from the slot to the frame, which also shows what does not belong.
  [[nodiscard]] static constexpr std::uint64_t without_tag(std::uint64_t word, NodeId id) noexcept {
    return word ^ (id.bits & kTag);
  }
  // Of any word.
  [[nodiscard]] static FrameHeader* address_in(std::uint64_t word) noexcept {
    return reinterpret_cast<FrameHeader*>(word & ~kTagAndFlags);
  }
  [[nodiscard]] static constexpr NodeId name(unsigned shard, std::uint32_t index,
                                             std::uint16_t tag) noexcept {
    return NodeId::make(std::uint64_t{shard} << kSlotBits | index, tag);
  }
  [[nodiscard]] Cold& cold(std::uint32_t index) const noexcept {
    return index < kNearSlots ? near_->cold[index] : cold_[index];
  }
  [[nodiscard]] std::uint64_t& side(std::uint32_t index) const noexcept {
    return index < kNearSlots ? near_->side[index] : side_[index];
  }
  [[nodiscard]] std::uint8_t& owner_place(std::uint32_t chunk) const noexcept {
    return chunk < kNearChunks ? near_->owners[chunk] : owners_[chunk];
  }
  // The chunk's shard plus 1, or 0 when nobody has taken it.
  [[nodiscard]] unsigned owner(std::uint32_t chunk) const noexcept {
    return std::atomic_ref(owner_place(chunk)).load(std::memory_order_relaxed);
  }
  // Calls `visit(shard, index)` for every slot that was ever used, and may call it for others in
  // chunks that have owners.
  template <class Visit>
  void for_each_used(Visit&& visit) const {
    const std::uint32_t chunks = chunks_end();
    for (std::uint32_t chunk = 0; chunk < chunks; ++chunk) {
      const unsigned owner = this->owner(chunk);
      if (owner == 0) continue;
      const std::uint32_t end = used_end(owner - 1, chunk);
      for (std::uint32_t index = chunk * kChunkSlots; index < end; ++index) visit(owner - 1, index);
    }
  }
  [[nodiscard]] std::uint32_t used_end(unsigned shard, std::uint32_t chunk) const noexcept;
  [[nodiscard]] NodeId live_id(unsigned shard, std::uint32_t index) const noexcept;
  // Behind the last chunk that has an owner.
  [[nodiscard]] std::uint32_t chunks_end() const noexcept {
    return std::max(shards_->next_chunk.load(std::memory_order_relaxed), shards_->restored_chunks);
  }
  // Whether slots up to there can be written to; makes them so.
  [[nodiscard]] bool make_room(std::uint64_t slots_end) noexcept {
    // Acquire pairs with the release behind what made them so.
    return slots_end <= shards_->writable.load(std::memory_order_acquire) || grow(slots_end);
  }
  [[nodiscard]] bool grow(std::uint64_t slots_end) noexcept;
  [[nodiscard]] NodeId reuse(unsigned shard, std::uint32_t index) noexcept;
  [[nodiscard]] bool take_chunk(unsigned shard) noexcept;
  void begin_chunk(unsigned shard, std::uint32_t chunk) noexcept;
  [[nodiscard]] Result<void> restore_place(NodeId id) noexcept;
  [[nodiscard]] bool bump_tag(std::uint32_t index, std::uint16_t last_tag) noexcept;
  void check_life(NodeId id) noexcept;
  void push_free(Shard& home, std::uint32_t index, std::uint16_t last_tag) noexcept;
  void store_word(NodeId id, std::uint64_t word) noexcept {
    std::atomic_ref(hot_[index(id)]).store(word, std::memory_order_release);
  }

  platform::ReservedRange range_;  // all five of these, in their order
  Near* near_;
  std::uint64_t* hot_;
  Cold* cold_;            // these three without what is near: ask `cold`, `side` and `owner`
  std::uint64_t* side_;
  std::uint8_t* owners_;  // by chunk
  std::unique_ptr<Shards> shards_;
};

}  // namespace xtree::persistence
