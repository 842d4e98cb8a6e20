package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/internal/testkit"
)

// What is kept of a node is bounded: the oldest lines go first.
func TestBoundsOfKeptLines(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	k, err := OpenKeptLines(dir)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	told := func(minute int) toldSpan { // a line each tenth of a second
		from := begin.Add(time.Duration(minute) * time.Minute)
		out := toldSpan{From: from, To: from.Add(time.Minute)}
		for n := range 600 {
			out.Lines = append(out.Lines, cluster.LogLine{Time: from.Add(time.Duration(n+1) * 100 * time.Millisecond), Source: "pacemaker.log", Text: strings.Repeat("x", 1000)})
		}
		return out
	}
	const minutes = 20 // 13 MB
	for minute := range minutes {
		if err := k.keepNew("n2", told(minute)); err != nil {
			t.Fatal(err)
		}
	}
	for _, minute := range []int{minutes - 2, minutes - 1} { // once more is nothing new
		if err := k.keepNew("n2", told(minute)); err != nil {
			t.Fatal(err)
		}
	}
	var size int64
	files, err := os.ReadDir(dir)
	for _, f := range files {
		info, err := f.Info()
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("%s is %v, %v", f.Name(), info, err)
		}
		size += info.Size()
	}
	if err != nil || len(files) != 2 || size > 2*maxKeptFile || size < maxKeptFile {
		t.Errorf("%d files of %d bytes, %v", len(files), size, err)
	}
	last := begin.Add((minutes - 1) * time.Minute)
	if lines, known, more := k.between("n2", last.Add(-time.Minute), last.Add(time.Minute)); len(lines) != 1201 || more || !known.cover(last.Add(-time.Minute), last.Add(59*time.Second)) {
		t.Errorf("of the last two minutes %d lines are there, known are %v", len(lines), known)
	}
	if lines, known, _ := k.between("n2", begin, begin.Add(59*time.Second)); len(lines)+len(known) > 0 {
		t.Errorf("of the first minute %d lines are there", len(lines))
	}
	for n := range maxKeptNodes + 3 {
		if err := k.keep(fmt.Sprintf("m%d", n), told(0)); err != nil {
			t.Fatal(err)
		}
		at := begin.Add(time.Duration(n) * time.Second)
		if err := os.Chtimes(filepath.Join(dir, fmt.Sprintf("m%d%s", n, keptSuffix)), at, at); err != nil {
			t.Fatal(err)
		}
	}
	if nodes := k.nodes(); len(nodes) != maxKeptNodes || slices.Contains(nodes, "m0") || !slices.Contains(nodes, "m34") || !slices.Contains(nodes, "n2") {
		t.Errorf("kept are %v", nodes)
	}
	for _, name := range []string{"../x", "", "a/b", strings.Repeat("n", 300)} {
		if err := k.keepNew(name, told(0)); err != nil || slices.Contains(k.nodes(), name) {
			t.Errorf("of %q: %v", name, err)
		}
	}
	if left, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(left) != 1 {
		t.Errorf("beside the directory are %v, %v", left, err)
	}
}

// Lines that did not find room are more before those that did, and are not taken for known twice.
func TestLinesThatWereCut(t *testing.T) {
	k, err := OpenKeptLines(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	line := func(second int, text string) cluster.LogLine {
		return cluster.LogLine{Time: begin.Add(time.Duration(second) * time.Second), Text: text}
	}
	for _, t2 := range []toldSpan{
		{From: begin, To: begin.Add(10 * time.Second), More: true, Lines: []cluster.LogLine{line(8, "c"), line(9, "d")}},
		{From: begin, To: begin.Add(8 * time.Second), Lines: []cluster.LogLine{line(1, "a"), line(2, "b"), line(8, "c")}},
	} {
		if err := k.keepNew("n2", t2); err != nil {
			t.Fatal(err)
		}
	}
	lines, _, more := k.between("n2", begin, begin.Add(time.Minute))
	var got []string
	for _, l := range lines {
		got = append(got, l.Text)
	}
	if !slices.Equal(got, []string{"c", "d", "a", "b"}) || !more {
		t.Errorf("there are %q, more %t", got, more)
	}
}

// Lines of a second in which others were cut are there once with them, whichever is told first. Those
// that were logged twice stay two.
func TestLinesOfOneSecondThatWereCut(t *testing.T) {
	begin := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	lines := func(texts ...string) (list []cluster.LogLine) {
		for _, text := range texts {
			at, err := strconv.Atoi(text[:1])
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, cluster.LogLine{Time: begin.Add(time.Duration(at) * time.Second), Source: "pacemaker.log", Text: text})
		}
		return list
	}
	all := []string{"1 a", "3 b", "3 c", "3 c", "3 d", "3 d", "5 e"}
	fuller := toldSpan{From: begin, To: begin.Add(6 * time.Second), Lines: lines(all...)}
	cut := toldSpan{From: begin, To: begin.Add(8 * time.Second), More: true, Lines: lines("3 d", "3 d", "5 e", "7 f")}
	less := toldSpan{From: begin, To: begin.Add(9 * time.Second), More: true, Lines: lines("3 d", "5 e", "7 f")}
	none := toldSpan{From: begin, To: begin.Add(10 * time.Second), More: true}
	for name, tc := range map[string]struct {
		told []toldSpan
		want []string
	}{
		"cut first":       {[]toldSpan{cut, fuller}, append(slices.Clone(all), "7 f")},
		"fuller first":    {[]toldSpan{fuller, cut}, append(slices.Clone(all), "7 f")},
		"cut twice":       {[]toldSpan{less, cut, fuller}, append(slices.Clone(all), "7 f")},
		"only cut":        {[]toldSpan{cut, less}, []string{"3 d", "3 d", "5 e", "7 f"}},
		"the less first":  {[]toldSpan{less, cut}, []string{"3 d", "3 d", "5 e", "7 f"}},
		"none were left":  {[]toldSpan{none, fuller}, all},
		"none after that": {[]toldSpan{cut, none, fuller}, append(slices.Clone(all), "7 f")},
	} {
		k, err := OpenKeptLines(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		for _, told := range tc.told {
			if err := k.keepNew("n2", told); err != nil {
				t.Fatal(err)
			}
		}
		list, _, _ := k.between("n2", begin, begin.Add(time.Minute))
		var got []string
		for _, l := range list {
			got = append(got, l.Text)
		}
		if slices.Sort(got); !slices.Equal(got, tc.want) {
			t.Errorf("%s: there are %q, expected %q", name, got, tc.want)
		}
	}
}

func TestSpansCover(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	s := spans{{at(10), at(20)}, {at(0), at(5)}, {at(5), at(10)}, {at(30), at(40)}}
	for _, c := range []struct {
		from, to int
		want     bool
	}{{0, 20, true}, {3, 7, true}, {0, 21, false}, {15, 35, false}, {30, 40, true}, {-1, 3, false}, {41, 42, false}} {
		if got := s.cover(at(c.from), at(c.to)); got != c.want {
			t.Errorf("from %d to %d: %t", c.from, c.to, got)
		}
	}
}

// A crash that has cut off the last line costs that line alone.
func TestTornLineOfKeptLines(t *testing.T) {
	dir := t.TempDir()
	k, err := OpenKeptLines(dir)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	told := func(minute int) toldSpan {
		from := begin.Add(time.Duration(minute) * time.Minute)
		return toldSpan{From: from, To: from.Add(time.Minute), Lines: []cluster.LogLine{{Time: from.Add(time.Second), Text: strconv.Itoa(minute)}}}
	}
	path := filepath.Join(dir, "n2"+keptSuffix)
	for minute := range 3 {
		if err := k.keep("n2", told(minute)); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil {
			t.Fatal(err)
		} else if err := os.Truncate(path, info.Size()-int64(5*(minute%2))); err != nil { // the second one is torn
			t.Fatal(err)
		}
	}
	lines, ofLines, _ := k.between("n2", begin, begin.Add(time.Hour))
	if known := k.known("n2", begin, begin.Add(time.Hour)); len(known) != 2 || !slices.Equal(known, ofLines) {
		t.Errorf("known are %v, of lines %v", known, ofLines)
	}
	if len(lines) != 2 || lines[0].Text != "0" || lines[1].Text != "2" {
		t.Errorf("left are %+v", lines)
	}
}

// A line for which the disk has no room leaves nothing in the file.
func TestKeptLinesOnAFullDisk(t *testing.T) {
	disk := testkit.NewDisk(t, 1)
	k, err := OpenKeptLines(disk.Dir)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for n := 0; ; n++ {
		at := begin.Add(time.Duration(n) * time.Minute)
		err := k.keep("n2", toldSpan{From: at, To: at, Lines: []cluster.LogLine{{Time: at, Text: strings.Repeat("x", 300_000)}}})
		if err != nil {
			break
		}
		if n > 10 {
			t.Fatal("the disk is not full")
		}
	}
	if data, err := os.ReadFile(filepath.Join(disk.Dir, "n2"+keptSuffix)); err != nil || len(data) == 0 || data[len(data)-1] != '\n' {
		t.Errorf("the file has %d bytes and does not end with a line, %v", len(data), err)
	}
}

// The longest line of the index can be read again.
func TestLongestLineOfAnIndex(t *testing.T) {
	e := entry{Transition: cluster.Transition{ID: "20261129T120000Z-input-1-1a2b3c4d", Operations: make([]cluster.OperationResult, maxOperations), Decisions: make([]cluster.Consequence, maxDecisions)}, Form: indexForm}
	for i := range e.Operations {
		e.Operations[i] = cluster.OperationResult{Call: i, Reason: strings.Repeat("<", maxWords)}
	}
	var b bytes.Buffer
	if err := errors.Join(appendLine(&b, e), appendLine(&b, entry{Transition: cluster.Transition{ID: "20261129T120001Z-input-2-1a2b3c4d"}, Form: indexForm})); err != nil {
		t.Fatal(err)
	}
	a := &Archive{dir: t.TempDir()}
	if err := os.WriteFile(filepath.Join(a.dir, indexName), b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	got := a.readIndex()
	if ops := got[e.ID].Operations; len(got) != 2 || len(ops) < 100 || ops[len(ops)-1].Call != maxOperations-1 {
		t.Errorf("%d lines are read, the first has %d operations", len(got), len(ops))
	}
}

// Lines that are too old go, also from a file that has newer ones. What is left stays in its order, and
// the time at which the node was heard last is the same.
func TestOldLinesAreRemoved(t *testing.T) {
	dir := t.TempDir()
	k, err := OpenKeptLines(dir)
	if err != nil {
		t.Fatal(err)
	}
	noon := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	heard := noon.Add(time.Hour)
	put := func(file string, minutes ...int) {
		var b bytes.Buffer
		for _, m := range minutes {
			line, err := json.Marshal(toldSpan{From: noon.Add(time.Duration(m) * time.Minute), To: noon.Add(time.Duration(m+1) * time.Minute)})
			if err != nil {
				t.Fatal(err)
			}
			b.Write(append(line, '\n'))
		}
		b.WriteString(`{"From":"20`) // a crash has cut it off
		path := filepath.Join(dir, file)
		if err := errors.Join(os.WriteFile(path, b.Bytes(), 0o600), os.Chtimes(path, heard, heard)); err != nil {
			t.Fatal(err)
		}
	}
	put("both.log.jsonl", 50, 0, 40)
	put("both.old.jsonl", 10, 20)
	put("older.log.jsonl", 0)
	put("older.old.jsonl", 45, 1)
	put("gone.log.jsonl", 5)
	put("new.log.jsonl", 55)
	if err := k.removeOld(noon.Add(30 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	for node, minutes := range map[string][]int{"both": {50, 40}, "older": {45}, "gone": nil, "new": {55}} {
		var got []int
		for _, s := range k.known(node, noon, noon.Add(24*time.Hour)) {
			got = append(got, int(s.from.Sub(noon).Minutes()))
		}
		if !slices.Equal(got, minutes) {
			t.Errorf("of %s there are the lines of the minutes %v, expected %v", node, got, minutes)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 3 {
		t.Errorf("there are %v, %v", files, err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || !strings.HasSuffix(f.Name(), keptSuffix) || !info.ModTime().Equal(heard) {
			t.Errorf("%s was heard at %v, %v", f.Name(), info.ModTime(), err)
		}
	}
}
