/* A first-level data cache and a second-level cache of one core. The least recently used line of a set goes, and writes
   fetch their line too. Both are looked up by physical addresses; here pages are numbered as they are first touched, so
   that it does not matter where the host has put them. */

#include <stdint.h>

extern void *calloc(unsigned long count, unsigned long size);
extern void free(void *memory);
extern void abort(void) __attribute__((noreturn));

enum { LINE_SHIFT = 6, PAGE_SHIFT = 12, PAGE_LINES = 1 << (PAGE_SHIFT - LINE_SHIFT), RECENT_PAGES = 1024 };

struct cache {
    uint32_t sets, ways;
    uint32_t *lines; /* of each set, the most recently used first; 0 where nothing is */
};

struct page {
    uint64_t address; /* 0 where nothing is, else one more than the page's */
    uint32_t number;
};

static struct page recent_pages[RECENT_PAGES], *pages;
static uint32_t page_room, page_count;

static struct cache l1d, l2;
static uint64_t recent_line;
static uint64_t l1d_accesses, l1d_misses, l2_misses;

static void *reserve(unsigned long count, unsigned long size)
{
    void *memory = calloc(count, size);
    if (!memory)
        abort();
    return memory;
}

static struct page *find_place(uint64_t address)
{
    uint32_t at = (uint32_t)((address * 0x9e3779b97f4a7c15u) >> 32) & (page_room - 1);
    while (pages[at].address && pages[at].address != address)
        at = (at + 1) & (page_room - 1);
    return &pages[at];
}

static void widen_pages(void)
{
    struct page *before = pages;
    uint32_t room = page_room;
    page_room = room ? 2 * room : 1 << 14;
    pages = reserve(page_room, sizeof *pages);
    for (uint32_t at = 0; at < room; at++)
        if (before[at].address)
            *find_place(before[at].address) = before[at];
    free(before);
}

static uint32_t number_page(uint64_t page)
{
    struct page *recent = &recent_pages[page % RECENT_PAGES], *place;
    if (recent->address == page + 1)
        return recent->number;
    place = find_place(page + 1);
    if (!place->address) {
        if (2 * page_count >= page_room) {
            widen_pages();
            place = find_place(page + 1);
        }
        place->address = page + 1;
        place->number = page_count++;
    }
    *recent = *place;
    return recent->number;
}

/* Whether the line was there; in either case it is the most recently used one afterwards. */
static int use_line(struct cache *cache, uint32_t line)
{
    uint32_t *set = cache->lines + (unsigned long)(line & (cache->sets - 1)) * cache->ways, held = line + 1, way = 0;
    while (way < cache->ways - 1 && set[way] != held)
        way++;
    int found = set[way] == held;
    for (; way; way--)
        set[way] = set[way - 1];
    set[0] = held;
    return found;
}

static void touch_line(uint64_t line)
{
    l1d_accesses++;
    if (line + 1 == recent_line) /* is there, and first in its set */
        return;
    recent_line = line + 1;
    uint32_t physical = number_page(line / PAGE_LINES) * PAGE_LINES + line % PAGE_LINES;
    if (use_line(&l1d, physical))
        return;
    l1d_misses++;
    l2_misses += !use_line(&l2, physical);
}

static void touch_memory(uint64_t address, uint64_t bytes)
{
    uint64_t first = address >> LINE_SHIFT, last = (address + bytes - 1) >> LINE_SHIFT;
    for (uint64_t line = first; line <= last; line++)
        touch_line(line);
}

static void empty_cache(struct cache *cache)
{
    for (unsigned long at = 0; at < (unsigned long)cache->sets * cache->ways; at++)
        cache->lines[at] = 0;
}

static void empty_caches(void)
{
    empty_cache(&l1d);
    empty_cache(&l2);
    for (int at = 0; at < RECENT_PAGES; at++)
        recent_pages[at].address = 0;
    for (uint32_t at = 0; at < page_room; at++)
        pages[at].address = 0;
    page_count = 0;
    recent_line = 0;
    l1d_accesses = l1d_misses = l2_misses = 0;
}

/* Lays out a cache by "BYTES:WAYS"; whether that could be. */
static int lay_out(struct cache *cache, const char *text)
{
    uint64_t numbers[2] = {0, 0};
    for (int part = 0; part < 2; part++) {
        for (; *text >= '0' && *text <= '9' && numbers[part] < 1u << 30; text++)
            numbers[part] = 10 * numbers[part] + (uint64_t)(*text - '0');
        if (*text != (part ? '\0' : ':'))
            return 0;
        text += !part;
    }
    uint64_t ways = numbers[1], sets = ways ? (numbers[0] >> LINE_SHIFT) / ways : 0;
    if (!sets || ways > 64 || sets > 1u << 20 || (sets & (sets - 1)) || (sets * ways) << LINE_SHIFT != numbers[0])
        return 0;
    cache->sets = (uint32_t)sets;
    cache->ways = (uint32_t)ways;
    cache->lines = reserve(sets * ways, sizeof *cache->lines);
    if (!page_room)
        widen_pages();
    return 1;
}
