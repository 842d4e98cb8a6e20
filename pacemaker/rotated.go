package pacemaker

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"thalassa/cluster"
)

const (
	// maxRotated limits how many rotated files of a log are read.
	maxRotated = 8
	// maxListed limits how many names of a directory are looked at.
	maxListed = 10_000
	// maxExpanded limits what is expanded of a compressed file.
	maxExpanded = 256 << 20
	// compressed ends the names of files that are.
	compressed = ".gz"
)

// rotation is what logrotate adds to the name of a log: a number, or with dateext a date, and
// the end of a compressed one.
var rotation = regexp.MustCompile(`^\.[0-9]{1,4}(\.gz)?$|^-[0-9]{8}(-?[0-9]{1,10})?(\.gz)?$`)

// rotated are the files that a log was rotated into and that may have lines of an interval, the
// earliest first: those that were written last at or after its beginning, and of those that
// were written last after its end, the earliest one only. cut: there are earlier ones, too.
func rotated(path string, from, to time.Time) (paths []string, cut bool) {
	type old struct {
		path    string
		written time.Time
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, false // the log itself cannot be opened, either
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(maxListed) // what there is of them, if it fails
	var list []old
	for _, name := range names {
		rest, isOf := strings.CutPrefix(name, filepath.Base(path))
		if !isOf || !rotation.MatchString(rest) {
			continue
		}
		at := filepath.Join(filepath.Dir(path), name)
		if info, err := os.Lstat(at); err == nil && info.Mode().IsRegular() && !info.ModTime().Before(from.Truncate(time.Second)) {
			list = append(list, old{at, info.ModTime()})
		}
	}
	slices.SortFunc(list, func(a, b old) int { return a.written.Compare(b.written) })
	for _, o := range list {
		paths = append(paths, o.path)
		if o.written.After(to) {
			break
		}
	}
	if len(paths) > maxRotated {
		return paths[len(paths)-maxRotated:], true
	}
	return paths, false
}

// A logWindow collects the lines of an interval, the latest ones.
type logWindow struct {
	source   string
	from, to time.Time
	until    time.Time // when the file was written last
	lines    []cluster.LogLine
	more     bool // there are others before
}

// readCompressed reads a compressed file from its beginning.
func (w *logWindow) readCompressed(ctx context.Context, f io.Reader) error {
	in, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	limited := &io.LimitedReader{R: in, N: maxExpanded}
	if err := w.read(ctx, limited); err != nil {
		return err
	}
	if limited.N == 0 {
		return fmt.Errorf("has more than %d bytes when it is expanded", maxExpanded)
	}
	return in.Close()
}

// read reads lines until one is after the interval. The error is about what was not read.
func (w *logWindow) read(ctx context.Context, f io.Reader) error {
	in := bufio.NewScanner(f)
	in.Buffer(nil, 1<<20)
	defer w.trim()
	size := 0 // after the beginning of the interval
	for n := 0; in.Scan(); n++ {
		if n%1000 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		l, ok := fileLine(in.Text(), w.source, w.until)
		if ok && l.Time.After(w.to) {
			return nil
		}
		if len(w.lines) > 0 || ok && !l.Time.Before(w.from) {
			if size += len(in.Bytes()) + 1; size > maxLogBytes {
				return fmt.Errorf("more than %d bytes after the beginning of the interval: choose a shorter one", maxLogBytes)
			}
		}
		if !ok || l.Time.Before(w.from) {
			continue
		}
		if w.lines = append(w.lines, l); len(w.lines) == 2*maxLogLines {
			w.trim()
		}
	}
	return in.Err()
}

// trim leaves the latest lines.
func (w *logWindow) trim() {
	if cut := len(w.lines) - maxLogLines; cut > 0 {
		w.lines, w.more = append(w.lines[:0], w.lines[cut:]...), true
	}
}
