package pacemaker_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/pacemaker"
)

func zipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// What logrotate has made of a log is read, too, as far as it may have lines of the interval.
func TestRotatedLogs(t *testing.T) {
	noon := time.Date(2026, 11, 29, 12, 0, 0, 0, time.Local)
	dir := t.TempDir()
	path := filepath.Join(dir, "pacemaker.log")
	logged := func(from, to int) string { // one line a minute
		var b strings.Builder
		for i := from; i < to; i++ {
			fmt.Fprintf(&b, "%s n1 pacemaker-controld[7] (f) \tinfo: minute %d\n", noon.Add(time.Duration(i)*time.Minute).Format("Jan 02 15:04:05"), i)
		}
		return b.String()
	}
	put := func(name, text string, until int) {
		writeLog(t, filepath.Join(dir, name), text, noon.Add(time.Duration(until)*time.Minute))
	}
	put("pacemaker.log", logged(300, 400), 399)
	put("pacemaker.log.1", logged(200, 300), 299)
	put("pacemaker.log.2.gz", zipped(t, logged(100, 200)), 199)
	put("pacemaker.log-20261129.gz", zipped(t, logged(0, 100)), 99)
	for _, other := range []string{"pacemaker.log.bak", "pacemaker.log.1.xz", "xpacemaker.log.1", "pacemaker.log.1.gz.gz", "pacemaker.log-2026"} {
		put(other, logged(0, 400), 399)
	}
	if err := os.Symlink(filepath.Join(dir, "pacemaker.log.bak"), filepath.Join(dir, "pacemaker.log.9")); err != nil {
		t.Fatal(err)
	}
	cfg, _ := fakeJournal(t, "")
	read := func(ctx context.Context, from, to int) (texts, sources []string) {
		lines, list, more := pacemaker.ReadLogs(ctx, cfg, []string{path}, noon.Add(time.Duration(from)*time.Minute), noon.Add(time.Duration(to)*time.Minute), func(s string) string { return s })
		for _, l := range lines {
			texts = append(texts, l.Text)
			if l.Source != "pacemaker.log" {
				t.Errorf("%q is of %s", l.Text, l.Source)
			}
		}
		for _, s := range list[1:] {
			sources = append(sources, strings.TrimSpace(s.Name+" "+s.Problem))
		}
		if more != strings.Contains(strings.Join(sources, ""), " ") {
			t.Errorf("more %t, %q", more, sources)
		}
		return texts, sources
	}
	for _, row := range []struct {
		from, to int
		sources  []string
	}{
		{350, 360, []string{"pacemaker.log"}},
		{290, 310, []string{"pacemaker.log.1", "pacemaker.log"}},
		{195, 205, []string{"pacemaker.log.2.gz", "pacemaker.log.1", "pacemaker.log"}},
		{50, 60, []string{"pacemaker.log-20261129.gz", "pacemaker.log"}},
		{90, 310, []string{"pacemaker.log-20261129.gz", "pacemaker.log.2.gz", "pacemaker.log.1", "pacemaker.log"}},
	} {
		texts, sources := read(t.Context(), row.from, row.to)
		if !slices.Equal(sources, row.sources) {
			t.Errorf("%d to %d: of %q, expected %q", row.from, row.to, sources, row.sources)
		}
		if len(texts) != row.to-row.from+1 || texts[0] != fmt.Sprintf("minute %d", row.from) || texts[len(texts)-1] != fmt.Sprintf("minute %d", row.to) {
			t.Errorf("%d to %d: %q", row.from, row.to, texts)
		}
	}

	// What is damaged, or expands to no lines, is a problem, and the others are read.
	for name, text := range map[string]string{
		"cut": zipped(t, logged(100, 200))[:60], "no gzip": "no", "zeros": zipped(t, strings.Repeat("\x00", 4<<20)),
	} {
		put("pacemaker.log.2.gz", text, 199)
		texts, sources := read(t.Context(), 195, 205)
		if len(sources) != 3 || !strings.HasPrefix(sources[0], "pacemaker.log.2.gz reading") || len(texts) < 6 {
			t.Errorf("%s: %q, %q", name, sources, texts)
		}
	}

	// Of many, only some are read.
	for i := 10; i < 40; i++ {
		put(fmt.Sprintf("pacemaker.log.%d", i), logged(0, 1), 100+i)
	}
	_, sources, more := pacemaker.ReadLogs(t.Context(), cfg, []string{path}, noon, noon.Add(390*time.Minute), func(s string) string { return s })
	if len(sources) != 10 || !more || sources[8].Name != "pacemaker.log.1" { // with the journal and the log itself
		t.Errorf("of many: %+v, more %t", sources, more)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	lines, _, more := pacemaker.ReadLogs(ended, cfg, []string{path}, noon, noon.Add(time.Hour), func(s string) string { return s })
	if len(lines) > 0 || !more {
		t.Errorf("nobody waits for it: %+v, more %t", lines, more)
	}
}
