package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

// This file reads bbolt's file format (internal/common of bbolt, format version
// 2) without bbolt: bbolt maps the file into memory and trusts it, so that a
// wrong number in a damaged page ends in a panic on one of its own goroutines, a
// fault or an endless recursion, none of which can be caught.

const (
	boltMagic   = 0xED0CDAED
	boltVersion = 2

	metaEnd       = 80 // of the meta page's header and fields
	pageHeader    = 16
	elementSize   = 16 // of a branch or leaf element
	bucketHeader  = 16 // root page and sequence
	branchPage    = 0x01
	leafPage      = 0x02
	freelistPage  = 0x10
	bucketElement = 0x01
	noFreelist    = ^uint64(0)
)

// A boltMeta is a meta page: it says where a transaction's root and list of
// free pages are.
type boltMeta struct {
	pageSize uint64
	root     uint64
	freelist uint64
	high     uint64 // first page that was never used
	txid     uint64
}

// A boltFile walks the newest transaction of a bbolt file. No content of the file can make it
// panic, loop or allocate more than the file's size.
type boltFile struct {
	r    io.ReaderAt
	meta boltMeta
	used []bool // by page: reached, or free
}

// errDamage marks what is wrong with the content of a file, as opposed to a
// failure to read it.
var errDamage = errors.New("damaged")

func damage(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errDamage}, args...)...)
}

// openBolt reads the meta pages of a file of that size. bbolt would continue with one of the two.
// Here both must be valid, because an invalid one may have been the newest, and with it the last
// acknowledged commit. A crash cannot leave half a meta page: it is written in one piece inside one
// sector.
func openBolt(r io.ReaderAt, size int64) (*boltFile, error) {
	first, err := readMeta(r, 0, size)
	if err != nil {
		return nil, fmt.Errorf("meta page 0: %w", err)
	}
	second, err := readMeta(r, int64(first.pageSize), size)
	if err != nil {
		return nil, fmt.Errorf("meta page 1: %w", err)
	}
	if first.pageSize != second.pageSize {
		return nil, damage("the meta pages disagree about the page size")
	}
	meta := first
	if second.txid > first.txid {
		meta = second
	}
	if meta.high < 4 || meta.high > uint64(size)/meta.pageSize {
		return nil, damage("the file has %d bytes and should have %d pages of %d", size, meta.high, meta.pageSize)
	}
	b := &boltFile{r: r, meta: meta, used: make([]bool, meta.high)}
	b.used[0], b.used[1] = true, true
	return b, nil
}

func readMeta(r io.ReaderAt, at, size int64) (boltMeta, error) {
	if at+metaEnd > size {
		return boltMeta{}, damage("the file ends before it")
	}
	buf := make([]byte, metaEnd)
	if _, err := r.ReadAt(buf, at); err != nil {
		return boltMeta{}, err
	}
	order := binary.NativeEndian
	fields := buf[pageHeader:]
	if magic := order.Uint32(fields); magic != boltMagic {
		return boltMeta{}, damage("it does not begin with bbolt's mark")
	}
	sum := fnv.New64a()
	sum.Write(fields[:56])
	if sum.Sum64() != order.Uint64(fields[56:]) {
		return boltMeta{}, damage("its checksum does not hold")
	}
	if v := order.Uint32(fields[4:]); v != boltVersion {
		return boltMeta{}, damage("format version %d is not known", v)
	}
	m := boltMeta{
		pageSize: uint64(order.Uint32(fields[8:])),
		root:     order.Uint64(fields[16:]),
		freelist: order.Uint64(fields[32:]),
		high:     order.Uint64(fields[40:]),
		txid:     order.Uint64(fields[48:]),
	}
	if m.pageSize < 512 || m.pageSize > 1<<24 || m.pageSize&(m.pageSize-1) != 0 {
		return boltMeta{}, damage("a page size of %d", m.pageSize)
	}
	return m, nil
}

// A boltPage is one page with its overflow.
type boltPage struct {
	id    uint64
	kind  uint16
	count int
	data  []byte // header included
}

// page reads a page and marks it and its overflow as used.
func (b *boltFile) page(id uint64) (boltPage, error) {
	if id < 2 || id >= b.meta.high {
		return boltPage{}, damage("page %d is outside of the file", id)
	}
	head := make([]byte, pageHeader)
	at := int64(id * b.meta.pageSize)
	if _, err := b.r.ReadAt(head, at); err != nil {
		return boltPage{}, err
	}
	order := binary.NativeEndian
	p := boltPage{id: id, kind: order.Uint16(head[8:]), count: int(order.Uint16(head[10:]))}
	if own := order.Uint64(head); own != id {
		return boltPage{}, damage("page %d says that it is page %d", id, own)
	}
	pages := uint64(order.Uint32(head[12:])) + 1
	if pages > b.meta.high-id {
		return boltPage{}, damage("page %d reaches beyond the end", id)
	}
	for i := id; i < id+pages; i++ {
		if b.used[i] {
			return boltPage{}, damage("page %d is used twice", i)
		}
		b.used[i] = true
	}
	p.data = make([]byte, pages*b.meta.pageSize)
	if _, err := b.r.ReadAt(p.data, at); err != nil {
		return boltPage{}, err
	}
	return p, nil
}

// An element is an entry of a leaf page (kind, key, value) or of a branch page
// (key, child).
type element struct {
	kind       uint32
	key, value []byte
	child      uint64
}

// elements decodes a page's entries, which must be in ascending order.
func (p boltPage) elements() ([]element, error) {
	if p.kind != branchPage && p.kind != leafPage {
		return nil, damage("page %d is neither a branch nor a leaf", p.id)
	}
	if pageHeader+p.count*elementSize > len(p.data) {
		return nil, damage("page %d cannot hold %d entries", p.id, p.count)
	}
	out := make([]element, p.count)
	for i := range out {
		e, err := p.element(pageHeader + i*elementSize)
		if err != nil {
			return nil, err
		}
		if i > 0 && bytes.Compare(out[i-1].key, e.key) >= 0 {
			return nil, damage("page %d is not in order", p.id)
		}
		out[i] = e
	}
	return out, nil
}

func (p boltPage) element(at int) (element, error) {
	order := binary.NativeEndian
	raw := p.data[at:]
	var e element
	var pos, ksize, vsize uint64
	if p.kind == branchPage {
		pos, ksize = uint64(order.Uint32(raw)), uint64(order.Uint32(raw[4:]))
		e.child = order.Uint64(raw[8:])
	} else {
		e.kind = order.Uint32(raw)
		pos, ksize, vsize = uint64(order.Uint32(raw[4:])), uint64(order.Uint32(raw[8:])), uint64(order.Uint32(raw[12:]))
	}
	if ksize == 0 || pos < elementSize || pos+ksize+vsize > uint64(len(raw)) {
		return e, damage("page %d has an entry outside of itself", p.id)
	}
	e.key, e.value = raw[pos:pos+ksize], raw[pos+ksize:pos+ksize+vsize]
	return e, nil
}

// walk visits the leaf entries below a page in order. Keys are at least low and less than high; an
// empty one is no limit.
func (b *boltFile) walk(id uint64, low, high []byte, visit func(element) error) error {
	p, err := b.page(id)
	if err != nil {
		return err
	}
	entries, err := p.elements()
	if err != nil {
		return err
	}
	if len(entries) > 0 && (bytes.Compare(entries[0].key, low) < 0 ||
		len(high) > 0 && bytes.Compare(entries[len(entries)-1].key, high) >= 0) {
		return damage("page %d holds keys that belong elsewhere", id)
	}
	if p.kind == leafPage {
		return each(entries, visit)
	}
	if len(entries) == 0 {
		return damage("branch page %d is empty", id)
	}
	for i, e := range entries {
		next := high
		if i+1 < len(entries) {
			next = entries[i+1].key
		}
		if err := b.walk(e.child, e.key, next, visit); err != nil {
			return err
		}
	}
	return nil
}

func each(entries []element, visit func(element) error) error {
	for _, e := range entries {
		if err := visit(e); err != nil {
			return err
		}
	}
	return nil
}

// bucket visits the entries of a bucket, whose header is the value of its
// element; a small bucket follows its header directly.
func (b *boltFile) bucket(e element, visit func(element) error) error {
	if len(e.value) < bucketHeader {
		return damage("bucket %q has no header", e.key)
	}
	if root := binary.NativeEndian.Uint64(e.value); root != 0 {
		return b.walk(root, nil, nil, visit)
	}
	inline := e.value[bucketHeader:]
	if len(inline) < pageHeader {
		return damage("bucket %q has no page", e.key)
	}
	p := boltPage{
		kind: binary.NativeEndian.Uint16(inline[8:]), count: int(binary.NativeEndian.Uint16(inline[10:])),
		data: inline,
	}
	if p.kind != leafPage {
		return damage("bucket %q has an inline page that is no leaf", e.key)
	}
	entries, err := p.elements()
	if err != nil {
		return fmt.Errorf("bucket %q: %w", e.key, err)
	}
	return each(entries, visit)
}

// free marks the pages of the list of free pages, and the list itself.
func (b *boltFile) free() error {
	if b.meta.freelist == noFreelist {
		return damage("there is no list of free pages")
	}
	p, err := b.page(b.meta.freelist)
	if err != nil {
		return fmt.Errorf("list of free pages: %w", err)
	}
	if p.kind != freelistPage {
		return damage("page %d is no list of free pages", p.id)
	}
	ids, count := p.data[pageHeader:], uint64(p.count)
	if count == 0xFFFF { // the real count stands in front
		count = binary.NativeEndian.Uint64(ids)
		ids = ids[8:]
	}
	if count > uint64(len(ids))/8 {
		return damage("the list of free pages cannot hold %d", count)
	}
	last := uint64(1)
	for i := range count {
		id := binary.NativeEndian.Uint64(ids[i*8:])
		switch {
		case id >= b.meta.high:
			return damage("free page %d is outside of the file", id)
		case id <= last:
			return damage("the list of free pages is not in order")
		case b.used[id]:
			return damage("page %d is free and in use", id)
		}
		b.used[id], last = true, id
	}
	return nil
}

// unaccounted finds a page that is neither in use nor free.
func (b *boltFile) unaccounted() error {
	for id, used := range b.used {
		if !used {
			return damage("page %d is neither in use nor free", id)
		}
	}
	return nil
}
