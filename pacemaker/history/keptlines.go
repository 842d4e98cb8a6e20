package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"thalassa/cluster"
	"thalassa/internal/safefile"
	"thalassa/lb"
)

const (
	// maxKeptFile is the size of a file of lines, in bytes. A node has two: when one is full, it
	// takes the place of the other.
	maxKeptFile = 4 << 20
	// maxKeptNodes is how many nodes have files; the one that was heard last longest ago loses
	// its.
	maxKeptNodes = 32
	// maxSpanLine limits a line of such a file, in bytes: the lines of an interval.
	maxSpanLine = 2 << 20
)

// keptSuffix ends the names of the newer files, olderSuffix those of the others.
const keptSuffix, olderSuffix = ".log.jsonl", ".old.jsonl"

// KeptLines keep lines of the logs of other nodes, without secrets, so that they are there when
// the node is not. The methods are safe for concurrent use.
type KeptLines struct {
	dir string

	mu sync.Mutex
}

// OpenKeptLines opens those in a directory, which it makes if there is none.
func OpenKeptLines(dir string) (*KeptLines, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("opening lines of other nodes: %w", err)
	}
	return &KeptLines{dir: dir}, nil
}

// A toldSpan is what a node has told of an interval of its log.
type toldSpan struct {
	From, To time.Time
	More     bool // there are others before the lines
	Lines    []cluster.LogLine
}

// begins is when the lines begin; some of those of that time may not be there. Without lines, it is
// the end.
func (t toldSpan) begins() time.Time {
	if len(t.Lines) == 0 {
		return t.To
	}
	return t.Lines[0].Time
}

// has is the part of the interval of which all lines are there.
func (t toldSpan) has() span {
	if t.More {
		return span{t.begins().Add(1), t.To}
	}
	return span{t.From, t.To}
}

// isFileName reports whether a node's name can be one of a file.
func isFileName(node string) bool {
	_, err := lb.ParseName(node)
	return err == nil && len(node) < 200
}

// keep keeps what a node has told.
func (k *KeptLines) keep(node string, t toldSpan) error {
	if !isFileName(node) {
		return nil // no such node is asked for
	}
	line, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("keeping lines of %s: %w", node, err)
	}
	if len(line) > maxSpanLine {
		return nil // no agent tells so much
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	path := filepath.Join(k.dir, node+keptSuffix)
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		k.forget()
	case err == nil && info.Size()+int64(len(line)) > maxKeptFile:
		if err := os.Rename(path, filepath.Join(k.dir, node+olderSuffix)); err != nil {
			return fmt.Errorf("keeping lines of %s: %w", node, err)
		}
	}
	f, err := safefile.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("keeping lines of %s: %w", node, err)
	}
	if err = errors.Join(appendWhole(f, line), f.Close()); err != nil {
		return fmt.Errorf("keeping lines of %s: %w", node, err)
	}
	return nil
}

// appendWhole adds a line to a file, also to one whose last line a crash has cut off. What cannot
// be written wholly leaves nothing.
func appendWhole(f *os.File, line []byte) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	line = append(line, '\n')
	if size := info.Size(); size > 0 {
		last := []byte{0}
		if _, err := f.ReadAt(last, size-1); err != nil {
			return err
		}
		if last[0] != '\n' {
			line = append([]byte{'\n'}, line...)
		}
	}
	if _, err := f.Write(line); err != nil {
		return errors.Join(err, f.Truncate(info.Size()))
	}
	return nil
}

// forget makes room for another node. The caller holds mu.
func (k *KeptLines) forget() {
	type kept struct {
		node string
		at   time.Time
	}
	files, _ := os.ReadDir(k.dir) // what there is of them
	var list []kept
	for _, f := range files {
		node, isNewer := strings.CutSuffix(f.Name(), keptSuffix)
		if info, err := f.Info(); isNewer && err == nil {
			list = append(list, kept{node, info.ModTime()})
		}
	}
	slices.SortFunc(list, func(a, b kept) int { return a.at.Compare(b.at) })
	for len(list) >= maxKeptNodes {
		for _, end := range []string{keptSuffix, olderSuffix} {
			_ = os.Remove(filepath.Join(k.dir, list[0].node+end)) // or the next time
		}
		list = list[1:]
	}
}

// removeOld removes the intervals that begin before a time, and what a crash has cut off.
func (k *KeptLines) removeOld(before time.Time) error {
	files, err := os.ReadDir(k.dir)
	if err != nil {
		return fmt.Errorf("removing old lines of other nodes: %w", err)
	}
	nodes := map[string]bool{}
	for _, f := range files {
		for _, end := range []string{keptSuffix, olderSuffix} {
			if node, isKept := strings.CutSuffix(f.Name(), end); isKept && isFileName(node) {
				nodes[node] = true
			}
		}
	}
	var problems error
	for node := range nodes {
		if err := k.removeOldOf(node, before); err != nil {
			problems = errors.Join(problems, fmt.Errorf("removing old lines of %s: %w", node, err))
		}
	}
	return problems
}

func (k *KeptLines) removeOldOf(node string, before time.Time) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	newer, older := filepath.Join(k.dir, node+keptSuffix), filepath.Join(k.dir, node+olderSuffix)
	err := errors.Join(withoutOld(newer, before), withoutOld(older, before))
	if _, missing := os.Stat(newer); err == nil && errors.Is(missing, fs.ErrNotExist) {
		if err = os.Rename(older, newer); errors.Is(err, fs.ErrNotExist) {
			err = nil // nothing is left of the node
		}
	}
	return err
}

// withoutOld leaves the lines of a file that do not begin before a time; without any, the file goes. Its
// time stays: it is when the node was heard.
func withoutOld(path string, before time.Time) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	data, err := safefile.Read(path, maxKeptFile+maxSpanLine)
	if err != nil {
		return err
	}
	left := make([]byte, 0, len(data))
	for line := range bytes.Lines(data) {
		if from, _ := ends(line); !from.Before(before) {
			left = append(left, line...)
		}
	}
	switch {
	case len(left) == len(data):
		return nil
	case len(left) == 0:
		return os.Remove(path)
	}
	if err := safefile.Replace(path, left, nil); err != nil {
		return err
	}
	return os.Chtimes(path, info.ModTime(), info.ModTime())
}

// nodes are those of which there are lines.
func (k *KeptLines) nodes() []string {
	files, _ := os.ReadDir(k.dir) // what there is of them
	var out []string
	for _, f := range files {
		if node, isNewer := strings.CutSuffix(f.Name(), keptSuffix); isNewer && isFileName(node) {
			out = append(out, node)
		}
	}
	return out
}

// ends are the ends of the interval of a line of a file, which are at its beginning: most lines need not
// be read whole. Both are zero in another line.
func ends(line []byte) (from, to time.Time) {
	begin, rest := timeAfter(line, `{"From":"`)
	end, _ := timeAfter(rest, `,"To":"`)
	if begin.IsZero() || end.IsZero() {
		return time.Time{}, time.Time{}
	}
	return begin, end
}

// timeAfter is the time in a JSON string that follows a prefix, and what is after that; zero: there is
// none.
func timeAfter(line []byte, prefix string) (at time.Time, rest []byte) {
	line, ok := bytes.CutPrefix(line, []byte(prefix))
	text, _, closed := bytes.Cut(line[:min(len(line), 64)], []byte(`"`))
	if !ok || !closed {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339Nano, string(text))
	if err != nil {
		return time.Time{}, nil
	}
	return at, line[len(text)+1:]
}

// eachTold calls yield with the ends of the intervals that a node has told of and that overlap one, and
// the lines of its files that have them. A crash may have cut one off.
func (k *KeptLines) eachTold(node string, from, to time.Time, yield func(span, []byte)) {
	if !isFileName(node) {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, end := range []string{olderSuffix, keptSuffix} {
		data, err := safefile.Read(filepath.Join(k.dir, node+end), maxKeptFile+maxSpanLine)
		if err != nil {
			continue // there is none, or it cannot be read: then nothing is known
		}
		for line := range bytes.Lines(data) {
			if begin, end := ends(line); !end.Before(from) && !begin.After(to) {
				yield(span{begin, end}, line)
			}
		}
	}
}

// known are the intervals that a node has told of and that overlap one.
func (k *KeptLines) known(node string, from, to time.Time) (known spans) {
	k.eachTold(node, from, to, func(s span, line []byte) {
		if json.Valid(line) {
			known = append(known, s)
		}
	})
	return known
}

// between are the lines of a node in an interval, and the intervals that it has told of. What was
// told twice is there once. more: there are others.
func (k *KeptLines) between(node string, from, to time.Time) (lines []cluster.LogLine, known spans, more bool) {
	var taken spans                    // whose lines are there
	begun := map[cluster.LogLine]int{} // lines of times of which not all may be there, and how often they are
	k.eachTold(node, from, to, func(s span, line []byte) {
		var t toldSpan
		if json.Unmarshal(line, &t) != nil {
			return
		}
		known = append(known, s)
		again := map[cluster.LogLine]int{}
		for _, l := range t.Lines {
			if l.Time.Before(from) || l.Time.After(to) || taken.has(l.Time) {
				continue
			}
			l.Node, l.Time = node, l.Time.UTC()
			again[l]++
			if again[l] > begun[l] {
				lines = append(lines, l)
			}
			if t.More && l.Time.Equal(t.begins()) {
				begun[l] = max(begun[l], again[l])
			}
		}
		taken, more = append(taken, t.has()), more || t.More
	})
	return lines, known, more
}
