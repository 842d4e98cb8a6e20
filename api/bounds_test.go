package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"thalassa/lb"
)

// An error has a size of its own, whatever the request has.
func TestErrorsAreShort(t *testing.T) {
	const size = 300 << 10
	repeat := func(s string) string { return strings.Repeat(s, size/len(s)) }
	var fields strings.Builder
	for i := 0; fields.Len() < size; i++ {
		fmt.Fprintf(&fields, `"f%d":0,`, i)
	}
	bodies := map[string]string{
		"unknown fields":      `{` + fields.String() + `"type":"static"}`,
		"a long name":         `{"` + repeat("x") + `":1}`,
		"a long value":        `{"type":"` + repeat("y") + `"}`,
		"wrong types":         `{"type":"static","members":[` + repeat("1,") + `1]}`,
		"empty members":       `{"type":"static","members":[` + repeat("{},") + `{}]}`,
		"bad members":         `{"type":"static","members":[` + repeat(`{"host":"-","port":0},`) + `{}]}`,
		"bad raw lines":       `{"type":"static","natives":[` + repeat(`"\n",`) + `""]}`,
		"refused raw lines":   `{"type":"static","natives":[` + repeat(`"errorfile 503 /etc/passwd",`) + `""]}`,
		"bad versions":        `{"type":"dynamic","name":"shop","versions":{` + fields.String() + `"1":"x"}}`,
		"a long number":       `{"type":"static","members":[{"host":"10.0.0.1","port":` + repeat("9") + `}]}`,
		"lists within lists":  `{"type":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`,
		"something not JSON":  repeat("}"),
		"objects in a string": `{"type":[` + repeat(`{"a":[1]},`) + `0]}`,
	}
	s := newFixture(t)
	for name, body := range bodies {
		for _, path := range []string{"/backends/a", "/frontends/a"} {
			reply := s.do(http.MethodPut, path, body)
			if reply.status != http.StatusBadRequest {
				t.Errorf("%s: PUT %s: status %d, want 400", name, path, reply.status)
			}
			if len(reply.body) > 128<<10 {
				t.Errorf("%s: PUT %s: an answer of %d bytes", name, path, len(reply.body))
			}
			var document struct{ Fields []any }
			if err := json.Unmarshal(reply.body, &document); err != nil || len(document.Fields) == 0 || len(document.Fields) > lb.MaxFields {
				t.Errorf("%s: PUT %s: %d fields, want 1 to %d; %v", name, path, len(document.Fields), lb.MaxFields, err)
			}
		}
	}
	reply := s.do(http.MethodPut, "/backends/a", bodies["unknown fields"])
	if !strings.Contains(string(reply.body), " more)") {
		t.Errorf("nothing says how many fields are left out: %.200s", reply.body)
	}
	if got := s.do(http.MethodGet, "/activity?"+strings.Repeat("&x=1", 10000), "").body; len(got) > 64<<10 {
		t.Errorf("a bad query is answered with %d bytes", len(got))
	}
}

// largeHistory is a fixture with revisions of almost a megabyte each.
func largeHistory(t *testing.T, revisions int) *fixture {
	t.Helper()
	s := newFixture(t)
	line := `"# ` + strings.Repeat("x", 4000) + `"`
	lines := strings.TrimSuffix(strings.Repeat(line+",", 210), ",")
	for i := range revisions {
		s.put("/backends/live", fmt.Sprintf(`{"type":"static","natives":["# %d",%s]}`, i, lines))
	}
	return s
}

// A history of many megabytes is answered completely, and is never in memory as a whole.
func TestLargeHistoriesAreStreamed(t *testing.T) {
	const revisions, readers, most = 20, 2, 64 << 20
	s := largeHistory(t, revisions)
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	stop, peak := make(chan struct{}), make(chan uint64)
	go func() {
		highest := uint64(0)
		for tick := time.NewTicker(5 * time.Millisecond); ; {
			select {
			case <-stop:
				peak <- highest
				return
			case <-tick.C:
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				highest = max(highest, m.HeapAlloc)
			}
		}
	}()
	var readersDone sync.WaitGroup
	for range readers {
		readersDone.Go(func() {
			r, err := http.Get(s.url + "/revisions?limit=1000")
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Body.Close()
			d := json.NewDecoder(r.Body)
			if _, err := d.Token(); err != nil {
				t.Error(err)
			}
			n := uint64(0)
			for ; d.More(); n++ {
				var one struct{ Number uint64 }
				if err := d.Decode(&one); err != nil || one.Number != revisions-n {
					t.Errorf("revision %d, want %d; %v", one.Number, revisions-n, err)
					return
				}
			}
			if n != revisions {
				t.Errorf("%d revisions, want %d", n, revisions)
			}
		})
	}
	readersDone.Wait()
	close(stop)
	if grown := int64(<-peak) - int64(before.HeapAlloc); grown > most {
		t.Errorf("the heap grew by %d MB while %d readers read %d revisions", grown>>20, readers, revisions)
	} else {
		t.Logf("the heap grew by %d MB", grown>>20)
	}
}
