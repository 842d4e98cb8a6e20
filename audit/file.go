package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"thalassa/internal/safefile"
)

// parts is the number of files that a log is divided into: the current one, and older ones
// with the suffixes .1 (the newest) to .7.
const parts = 8

// A file is the current file of a log and the older ones. Its methods are called by one
// goroutine at a time, but for those that read.
type file struct {
	path     string
	maxBytes int64 // of the current file
	maxAge   time.Duration
	now      func() time.Time

	current *os.File
	size    int64
	begun   time.Time // of the first record of the current file

	looked time.Time           // for older files that are too old
	late   map[int64]time.Time // when they were first found so, by the time of their last record
}

const (
	// confirmAge is how long an older file must have been too old before it is removed: a
	// clock that has jumped ahead is set right in that time.
	confirmAge = time.Hour
	// lookEvery is the time between two looks for older files that are too old.
	lookEvery = time.Minute
)

// Write appends whole lines. It begins another file before the current one is too large,
// or holds records for longer than a part of the age.
func (f *file) Write(lines []byte) (int, error) {
	if f.current != nil && !f.isInPlace() {
		_ = f.close() // somebody has removed or renamed it
	}
	if f.current != nil && f.size > 0 && (f.size+int64(len(lines)) > f.maxBytes || f.now().Sub(f.begun) > f.maxAge/parts) {
		if err := f.rotate(); err != nil {
			return 0, err
		}
	}
	if f.current == nil {
		if err := f.open(); err != nil {
			return 0, err
		}
	}
	if f.now().Sub(f.looked) >= lookEvery {
		f.expire()
	}
	n, err := f.current.Write(lines)
	f.size += int64(n)
	if err != nil {
		_ = f.close() // the next write opens it again, and ends a line that is cut
	}
	return n, err
}

// open opens the current file for appending, and ends a line that a crash has cut.
func (f *file) open() error {
	current, err := safefile.OpenFile(f.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("opening the audit log: %w", err)
	}
	info, err := current.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("opening the audit log: %w", err), current.Close())
	}
	f.current, f.size, f.begun = current, info.Size(), f.now()
	if f.size == 0 {
		return nil
	}
	if first := readPart(f.path); len(first) > 0 {
		f.begun = first[0].Time
	}
	last := make([]byte, 1)
	if _, err := current.ReadAt(last, f.size-1); err == nil && last[0] != '\n' {
		n, err := current.Write([]byte("\n"))
		f.size += int64(n)
		return err
	}
	return nil
}

// isInPlace reports whether the current file is still the one under its name.
func (f *file) isInPlace() bool {
	own, err := f.current.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(f.path)
	return err == nil && os.SameFile(own, named)
}

// rotate makes the current file the newest of the older ones, and removes the oldest.
func (f *file) rotate() error {
	if err := f.close(); err != nil {
		return err
	}
	for i := parts - 1; i > 0; i-- {
		if err := os.Rename(f.part(i-1), f.part(i)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("rotating the audit log: %w", err)
		}
	}
	return safefile.Sync(filepath.Dir(f.path))
}

// expire removes older files whose last record has been too old for confirmAge of this run.
func (f *file) expire() {
	now, late := f.now(), map[int64]time.Time{}
	for i := 1; i < parts; i++ {
		info, err := os.Stat(f.part(i))
		if err != nil || now.Sub(info.ModTime()) <= f.maxAge {
			continue
		}
		written := info.ModTime().UnixNano()
		since, known := f.late[written]
		if !known {
			since = now
		}
		late[written] = since
		if now.Sub(since) >= confirmAge {
			_ = os.Remove(f.part(i)) // or the next look does
		}
	}
	f.late, f.looked = late, now
}

// close ends the use of the current file.
func (f *file) close() error {
	if f.current == nil {
		return nil
	}
	err := errors.Join(f.current.Sync(), f.current.Close())
	f.current, f.size = nil, 0
	if err != nil {
		return fmt.Errorf("closing the audit log: %w", err)
	}
	return nil
}

// part is the path of a file of the log; 0 is the current one.
func (f *file) part(i int) string {
	if i == 0 {
		return f.path
	}
	return f.path + "." + strconv.Itoa(i)
}

// maxRead bounds what is read of one file: a file is a little larger than its bound.
const maxRead = 256 << 20

// readPart reads the records of a file, oldest first. Lines that are none are skipped.
func readPart(path string) []Record {
	data, err := safefile.Read(path, maxRead)
	if err != nil {
		return nil
	}
	var out []Record
	for line := range bytes.Lines(data) {
		var r Record
		if json.Unmarshal(line, &r) == nil && r.Seq > 0 {
			out = append(out, r)
		}
	}
	return out
}

// read answers a query from the files. A rotation meanwhile makes no record appear twice.
func (f *file) read(q Query) []Record {
	out := []Record{}
	oldest := uint64(0)
	for i := range parts {
		for _, r := range slices.Backward(readPart(f.part(i))) {
			if oldest > 0 && r.Seq >= oldest {
				continue
			}
			oldest = r.Seq
			if q.match(r) {
				out = append(out, r)
			}
			if len(out) == q.size() {
				return out
			}
		}
	}
	return out
}

// last is the number of the newest record; 0: there is none.
func (f *file) last() uint64 {
	if list := f.read(Query{Limit: 1}); len(list) > 0 {
		return list[0].Seq
	}
	return 0
}

// check reports what is wrong with a path for a log.
func check(path string) error {
	if !filepath.IsAbs(path) || strings.HasSuffix(path, "/") {
		return fmt.Errorf("%s: is not the absolute path of a file", path)
	}
	return nil
}
