package history

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"thalassa/lb"
)

const (
	// maxEntries limits the entries of a file, maxEntryName the length of their names.
	maxEntries   = 20_000
	maxEntryName = 512
)

// refused is the error about a file that is not read any further: entry is the one that it is
// about, or "file". It is an *lb.InvalidError.
func refused(entry, problem, expected string) error {
	if len(entry) > maxEntryName {
		entry = strings.ToValidUTF8(entry[:maxEntryName], "") + "…"
	}
	if !utf8.ValidString(entry) || strings.ContainsFunc(entry, unicode.IsControl) {
		entry = strconv.Quote(entry)
	}
	return &lb.InvalidError{Fields: []lb.FieldError{{Path: entry, Problem: problem, Expected: expected}}}
}

// An entryReader takes the content of a regular file of a tarball. What it does not read is
// passed over.
type entryReader func(h *tar.Header, content io.Reader) error

// A tarball is a .tar, .tar.gz or .tar.bz2 of somebody else, which is read and never unpacked:
// nothing in it names a file of this node. Every entry has a plain relative name of its own, and
// is a regular file or a folder.
type tarball struct {
	from  *stubborn
	most  int64             // bytes that may be expanded
	limit *io.LimitedReader // what is left of them
	seen  map[string]byte   // the kinds of entries by their names
	last  string            // the entry that is read
}

// readTarball reads a tarball to its end, and expands so many bytes at most. The error is an
// *lb.InvalidError that names the entry, that of ctx, that of from, or that of each.
func readTarball(ctx context.Context, from io.Reader, most int64, each entryReader) error {
	t := &tarball{from: &stubborn{ctx: ctx, r: from}, most: most, seen: map[string]byte{}, last: "file"}
	expanded, err := t.expand()
	if err != nil {
		return t.blame(err)
	}
	t.limit = &io.LimitedReader{R: expanded, N: most}
	in := tar.NewReader(t.limit)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return t.blame(err)
		}
		isFile, err := t.check(h)
		if err != nil {
			return err
		}
		if !isFile {
			continue
		}
		content := &stubborn{ctx: ctx, r: in}
		if err := each(h, content); err != nil {
			if content.err != nil { // the file itself is at fault
				return t.blame(content.err)
			}
			return err
		}
	}
	if _, err := io.Copy(io.Discard, t.limit); err != nil { // the checksum of what is compressed comes last
		return t.blame(err)
	}
	if t.limit.N <= 0 {
		return t.tooLarge()
	}
	return nil
}

func (t *tarball) tooLarge() error {
	return refused(t.last, fmt.Sprintf("has more than %d bytes, with what comes before it, when it is expanded", t.most), "less")
}

// expand finds out by its beginning how the file is compressed.
func (t *tarball) expand() (io.Reader, error) {
	in := bufio.NewReaderSize(t.from, 64<<10)
	begin, err := in.Peek(263) // as far as a tar tells that it is one
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	const expected = "a .tar.gz or .tar.bz2, as thalassa cluster history export or crm report makes it"
	switch {
	case bytes.HasPrefix(begin, []byte{0x1f, 0x8b}):
		return gzip.NewReader(in)
	case bytes.HasPrefix(begin, []byte("BZh")):
		return bzip2.NewReader(in), nil
	case len(begin) == 263 && string(begin[257:262]) == "ustar":
		return in, nil
	case bytes.HasPrefix(begin, []byte{0xfd, '7', 'z', 'X', 'Z', 0}):
		return nil, refused("file", "is compressed with xz", "a .tar.gz or .tar.bz2: xz -dc FILE | gzip > OTHER")
	}
	return nil, refused("file", "is no tar archive", expected)
}

// blame is the error of a file that cannot be read: that of whoever sends it, or one that says
// where it is damaged.
func (t *tarball) blame(err error) error {
	switch {
	case t.from.err != nil:
		return t.from.err
	case errors.As(err, new(*lb.InvalidError)):
		return err
	case t.limit != nil && t.limit.N <= 0:
		return t.tooLarge()
	case errors.Is(err, io.ErrUnexpectedEOF):
		return refused(t.last, "is where the file ends, which is cut off", "the whole file")
	}
	return refused(t.last, "is where the file is damaged: "+err.Error(), "a tar archive as it was made")
}

// check refuses an entry that a report does not have. A folder, and what is passed over, is no
// file.
func (t *tarball) check(h *tar.Header) (isFile bool, err error) {
	name := h.Name
	t.last = name
	if len(name) > maxEntryName {
		return false, refused(name, fmt.Sprintf("has a name of %d bytes", len(name)), fmt.Sprintf("at most %d", maxEntryName))
	}
	if !isPlain(name) {
		return false, refused(name, "is no plain relative name", "names without .., without / at the beginning and without control characters")
	}
	h.Name = path.Clean(name)
	if _, twice := t.seen[h.Name]; twice && h.Typeflag != tar.TypeDir {
		return false, refused(name, "is there twice", "each name once")
	}
	t.seen[h.Name] = h.Typeflag
	if len(t.seen) > maxEntries {
		return false, refused(name, fmt.Sprintf("is one of more than %d entries", maxEntries), "fewer")
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return false, refused(name, "is a sparse file", "regular files")
		}
	}
	switch h.Typeflag {
	case tar.TypeReg:
		return true, nil
	case tar.TypeDir:
		return false, nil
	case tar.TypeSymlink:
		// crm report replaces files that are the same on all nodes by links to one in the
		// folder above (consolidate). Nothing follows them.
		if h.Linkname == "../"+path.Base(h.Name) && strings.Count(h.Name, "/") >= 2 {
			return false, nil
		}
	}
	if target := path.Clean(h.Linkname); h.Typeflag == tar.TypeLink && t.seen[target] == tar.TypeReg && path.Dir(target) == path.Dir(h.Name) {
		// The log of the cluster has a second name in the folder of a node, which tar has made a
		// hard link: the file itself came before.
		return false, nil
	}
	return false, refused(name, "is "+kindOf(h.Typeflag), "regular files and folders")
}

// isPlain reports whether a name is below the folder that it is in.
func isPlain(name string) bool {
	return name != "" && utf8.ValidString(name) && !strings.HasPrefix(name, "/") &&
		!slices.Contains(strings.Split(name, "/"), "..") && !strings.ContainsFunc(name, unicode.IsControl)
}

// kindOf is the kind of an entry for people.
func kindOf(flag byte) string {
	switch flag {
	case tar.TypeLink, tar.TypeSymlink:
		return "a link"
	case tar.TypeChar, tar.TypeBlock:
		return "a device"
	case tar.TypeFifo:
		return "a FIFO"
	case tar.TypeGNUSparse:
		return "a sparse file"
	}
	return fmt.Sprintf("of the kind %q", flag)
}

// A stubborn reader repeats the first error of another one, and remembers it. It ends with ctx.
type stubborn struct {
	ctx context.Context //nolint:containedctx // a Reader has no other way to get it
	r   io.Reader
	err error
}

func (s *stubborn) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if err := s.ctx.Err(); err != nil {
		s.err = err
		return 0, err
	}
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}
