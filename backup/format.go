package backup

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strconv"
	"time"
)

const (
	// Format is the field format in the first line of every backup.
	Format = "thalassa-backup"
	// Version is that of the format. A reader refuses any other: it would lose what it does
	// not know.
	Version = 1
	// KeysVersion is that of a backup with an entry of kind KeysKind.
	KeysVersion = 2
	// KeysKind is the kind of the entry with the keys of certificates, encrypted.
	KeysKind = "keys"
	// MaxBytes is the maximum size of a backup.
	MaxBytes = 64 << 20
	// maxHeader bounds the first and the last line.
	maxHeader = 4 << 10
)

// A Header is the first line of a backup.
type Header struct {
	Format  string    `json:"format"`
	Version int       `json:"version"`
	Program string    `json:"program,omitempty"` // the version of Thalassa that wrote it
	Node    string    `json:"node,omitempty"`    // the logical name of the load balancer
	Time    time.Time `json:"time"`
	// Revision is the newest one that the backup has.
	Revision uint64 `json:"revision"`
	Entries  int    `json:"entries"` // lines between the first and the last
}

// An Entry is one thing in a backup.
type Entry struct {
	Kind string          `json:"kind"` // e.g. "object"
	ID   string          `json:"id"`   // unique among those of its kind
	Doc  json.RawMessage `json:"doc"`
}

// seal is the last line.
type seal struct {
	SHA256 string `json:"sha256"` // of all bytes before it, in hexadecimal digits
}

func sealOf(sum hash.Hash) seal { return seal{hex.EncodeToString(sum.Sum(nil))} }

// Write writes a whole backup. Format, Version and Entries of the header need not be set.
// The error is a *TooLargeError, before anything is written, or that of w.
func Write(w io.Writer, h Header, entries []Entry) error {
	h.Format, h.Version, h.Entries = Format, Version, len(entries)
	if slices.ContainsFunc(entries, func(e Entry) bool { return e.Kind == KeysKind }) {
		h.Version = KeysVersion
	}
	size := 0
	measure := func(line []byte) error { // nothing is kept: a backup may be large
		size += len(line)
		return nil
	}
	if err := eachLine(h, entries, measure); err != nil {
		return err
	}
	if size+maxHeader > MaxBytes {
		return &TooLargeError{Size: size}
	}
	sum := sha256.New()
	out := bufio.NewWriterSize(w, 64<<10)
	err := eachLine(h, entries, func(line []byte) error {
		sum.Write(line)
		_, err := out.Write(line)
		return err
	})
	if err != nil {
		return err
	}
	last, err := json.Marshal(sealOf(sum))
	if err != nil {
		return fmt.Errorf("encoding a backup: %w", err)
	}
	if _, err := out.Write(append(last, '\n')); err != nil {
		return err
	}
	return out.Flush()
}

// eachLine calls f for the header and each entry, until it has an error.
func eachLine(h Header, entries []Entry, f func(line []byte) error) error {
	line, err := json.Marshal(h)
	for i := -1; err == nil; {
		if err = f(append(line, '\n')); err != nil {
			return err
		}
		if i++; i == len(entries) {
			return nil
		}
		line, err = json.Marshal(entries[i])
	}
	return fmt.Errorf("encoding a backup: %w", err)
}

// A TooLargeError says that a backup would be larger than MaxBytes.
type TooLargeError struct{ Size int }

// Error says how large it would be.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the backup would have %d bytes, and may have %d: delete or commit drafts", e.Size, MaxBytes)
}

// An Error says why a file is no usable backup.
type Error struct {
	Line    int    // from 1; 0: the file as a whole
	Problem string // a clause such as "is damaged"
}

// Error is one sentence.
func (e *Error) Error() string {
	if e.Line == 0 {
		return "the backup " + e.Problem
	}
	return "line " + strconv.Itoa(e.Line) + " of the backup " + e.Problem
}

// Read reads a backup and hands its entries to add, in their order. The entries are verified only
// when Read returns nil: do not act on them before. The error is an *Error, that of add, or that of
// r.
func Read(r io.Reader, add func(Entry) error) (Header, error) {
	in := &reader{in: bufio.NewReaderSize(r, 64<<10), sum: sha256.New(), left: MaxBytes}
	h, err := in.header()
	if err != nil {
		return Header{}, err
	}
	seen := map[[2]string]int{}
	for range h.Entries {
		e, err := in.entry()
		if err != nil {
			return h, err
		}
		name := [2]string{e.Kind, e.ID}
		if first, isThere := seen[name]; isThere {
			return h, in.wrong(fmt.Sprintf("has the %s %q of line %d again", e.Kind, e.ID, first))
		}
		seen[name] = in.line
		if err := add(e); err != nil {
			return h, err
		}
	}
	return h, in.end()
}

// A reader reads the lines of a backup, and counts and digests them.
type reader struct {
	in   *bufio.Reader
	sum  hash.Hash
	left int // bytes that the backup may still have
	line int // that was read last
}

func (r *reader) wrong(problem string) error { return &Error{Line: r.line, Problem: problem} }

// next reads a line with its end, of at most so many bytes.
func (r *reader) next(most int) ([]byte, error) {
	r.line++
	var line []byte
	for {
		part, err := r.in.ReadSlice('\n')
		line = append(line, part...)
		r.left -= len(part)
		switch {
		case r.left < 0:
			return nil, &Error{Problem: fmt.Sprintf("is larger than %d bytes", MaxBytes)}
		case len(line) > most:
			return nil, r.wrong(fmt.Sprintf("is longer than %d bytes", most))
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return line, io.EOF
		default:
			return line, err
		}
	}
}

// header reads the first line.
func (r *reader) header() (Header, error) {
	if begin, err := r.in.Peek(2); err == nil && bytes.Equal(begin, []byte{0x1f, 0x8b}) {
		return Header{}, &Error{Problem: "is compressed with gzip, expected the file as it was written"}
	}
	line, err := r.next(maxHeader)
	if _, isOwn := errors.AsType[*Error](err); err != nil && !isOwn && !errors.Is(err, io.EOF) {
		return Header{}, err
	}
	var h Header
	if jsonErr := json.Unmarshal(line, &h); jsonErr != nil || h.Format != Format {
		return h, &Error{Line: 1, Problem: `is not that of a backup of Thalassa, expected {"format":"` + Format + `",…}`}
	}
	switch {
	case h.Version > KeysVersion:
		return h, &Error{Problem: fmt.Sprintf("has format version %d, and this Thalassa reads version %d: a newer Thalassa (%s) wrote it", h.Version, KeysVersion, h.Program)}
	case h.Version < Version:
		return h, &Error{Problem: fmt.Sprintf("has format version %d, expected %d or %d", h.Version, Version, KeysVersion)}
	case err != nil:
		return h, r.incomplete()
	case h.Entries < 0:
		return h, r.wrong(fmt.Sprintf("says that it has %d entries", h.Entries))
	}
	if err := strict(line, &h); err != nil {
		return h, r.wrong("is damaged: " + err.Error())
	}
	r.sum.Write(line)
	return h, nil
}

// entry reads the next line but the first and the last.
func (r *reader) entry() (Entry, error) {
	line, err := r.next(MaxBytes)
	switch {
	case errors.Is(err, io.EOF):
		return Entry{}, r.incomplete()
	case err != nil:
		return Entry{}, err
	}
	r.sum.Write(line)
	var e Entry
	if err := strict(line, &e); err != nil || e.Kind == "" || e.ID == "" || len(e.Doc) == 0 {
		return e, r.wrong(`is damaged, expected {"kind":…,"id":…,"doc":…}`)
	}
	return e, nil
}

// end reads the last line, which is to be exactly as Write writes it, and the end of the
// file.
func (r *reader) end() error {
	want, err := json.Marshal(sealOf(r.sum))
	if err != nil {
		return fmt.Errorf("reading a backup: %w", err)
	}
	line, err := r.next(maxHeader)
	switch {
	case errors.Is(err, io.EOF):
		return r.incomplete()
	case err != nil:
		return err
	case !bytes.Equal(line, append(want, '\n')):
		return &Error{Problem: "is damaged: its digest is not that of its contents"}
	}
	switch n, err := io.ReadFull(r.in, make([]byte, 1)); {
	case n > 0:
		return &Error{Line: r.line + 1, Problem: "is behind the end of the backup"}
	case !errors.Is(err, io.EOF):
		return err
	}
	return nil
}

func (r *reader) incomplete() error {
	return &Error{Problem: fmt.Sprintf("is incomplete: it ends in line %d, before its digest", r.line)}
}

// strict decodes one JSON document without unknown fields.
func strict(line []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	return d.Decode(v)
}
