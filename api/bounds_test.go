package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"thalassa/api"
	"thalassa/lb"
)

// An error has a size of its own, whatever the request has.
func TestErrorsAreShort(t *testing.T) {
	const size, most = 64 << 10, 16 << 10
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
			if len(reply.body) > most {
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

// largeHistory is a fixture with revisions, each of which has so many lines of 4 KB.
func largeHistory(t *testing.T, revisions, lines int, adjust ...func(*api.Config)) *fixture {
	t.Helper()
	s := newFixture(t, adjust...)
	line := `"# ` + strings.Repeat("x", 4000) + `"`
	all := strings.TrimSuffix(strings.Repeat(line+",", lines), ",")
	for i := range revisions {
		s.put("/backends/live", fmt.Sprintf(`{"type":"static","natives":["# %d",%s]}`, i, all))
	}
	return s
}

// countedHistory counts the revisions that are read.
type countedHistory struct {
	api.History
	read int
}

func (h *countedHistory) Revisions(ctx context.Context, before uint64, limit int) ([]lb.Revision, error) {
	list, err := h.History.Revisions(ctx, before, limit)
	h.read += len(list)
	return list, err
}

// pieceRecorder records an answer, and how large the pieces are in which it is written.
type pieceRecorder struct {
	*httptest.ResponseRecorder
	written func(size int)
}

func (r *pieceRecorder) Write(p []byte) (int, error) {
	r.written(len(p))
	return r.ResponseRecorder.Write(p)
}

// A revision is read after the one before it has been sent.
func TestHistoriesAreSentPieceByPiece(t *testing.T) {
	const revisions, lines, size = 5, 18, 18 * 4000
	history := &countedHistory{}
	s := largeHistory(t, revisions, lines, func(c *api.Config) {
		history.History = c.History
		c.History = history
	})
	cfg := s.Config()
	cfg.History = history
	pieces := 0
	w := &pieceRecorder{httptest.NewRecorder(), func(n int) {
		if n < size {
			return // the end of the list
		}
		if pieces++; history.read != pieces || n > 3*size {
			t.Errorf("piece %d of %d bytes is written after %d revisions were read", pieces, n, history.read)
		}
	}}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/revisions?limit=1000", http.NoBody)
	r.RemoteAddr = "127.0.0.1:1"
	history.read = 0
	api.New(cfg).ServeHTTP(w, r)
	var list []struct{ Number int }
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || len(list) != revisions || pieces != revisions {
		t.Errorf("%d revisions in %d pieces, want %d; %v", len(list), pieces, revisions, err)
	}
}

// A history of many megabytes is answered completely, and is never in memory as a whole.
func TestLargeHistoriesAreStreamed(t *testing.T) {
	if testing.Short() { // TestHistoriesAreSentPieceByPiece says the same of a small one
		t.Skip("takes long")
	}
	const revisions, readers, most = 20, 2, 64 << 20
	s := largeHistory(t, revisions, 210)
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
