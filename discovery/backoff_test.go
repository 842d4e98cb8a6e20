package discovery_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/discovery"
	"thalassa/lb"
)

// remote is a Consul without a network, so that time can be simulated.
type remote struct {
	mu     sync.Mutex
	answer func(*http.Request) (*http.Response, error)
	asked  []time.Time
	probed []time.Time // asked for Consul itself
}

// RoundTrip implements http.RoundTripper.
func (r *remote) RoundTrip(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	if strings.HasSuffix(req.URL.Path, "/service/consul") {
		r.probed = append(r.probed, time.Now())
	} else {
		r.asked = append(r.asked, time.Now())
	}
	answer := r.answer
	r.mu.Unlock()
	return answer(req)
}

func (r *remote) set(answer func(*http.Request) (*http.Response, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer, r.asked, r.probed = answer, nil, nil
}

func (r *remote) times() []time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

// probes are the moments at which it was asked for Consul itself.
func (r *remote) probes() []time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.probed
}

func refused(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }

// silent never answers.
func silent(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, req.Context().Err()
}

// steady answers with no instance, and never changes.
func steady(req *http.Request) (*http.Response, error) {
	if req.URL.Query().Get("index") != "" {
		select {
		case <-req.Context().Done():
			return nil, req.Context().Err()
		case <-time.After(46 * time.Second): // as Consul does with a wait of 45 s
		}
	}
	return &http.Response{
		StatusCode: http.StatusOK,
		Header: http.Header{
			"X-Consul-Index": {"7"}, "X-Consul-Lastcontact": {"0"}, "X-Consul-Knownleader": {"true"},
		},
		Body: io.NopCloser(strings.NewReader("[]")),
	}, nil
}

// simulate runs a Watcher in simulated time.
func simulate(t *testing.T, r *remote, names []lb.Name, test func(*discovery.Watcher)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w, err := discovery.NewOver(discovery.Config{}, r)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		w.Want(names)
		test(w)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestWatcherBacksOff(t *testing.T) {
	t.Parallel()
	r := &remote{answer: refused}
	simulate(t, r, []lb.Name{"web"}, func(w *discovery.Watcher) {
		outage := 3 * time.Hour
		if testing.Short() { // each second of it costs a request
			outage = 30 * time.Minute
		}
		time.Sleep(outage)
		synctest.Wait()
		times := r.times()
		want := 250 * time.Millisecond
		for i := 1; i < len(times); i++ {
			if gap := times[i].Sub(times[i-1]); gap < want/2 || gap > want {
				t.Errorf("%v between attempts %d and %d, want %v to %v", gap, i, i+1, want/2, want)
			}
			want = min(2*want, time.Minute)
		}
		if least, most := int(outage/time.Minute)-10, int(outage/(30*time.Second))+40; len(times) < least || len(times) > most {
			t.Errorf("%d attempts in %v, want one each 30 to 60 s", len(times), outage)
		}
		if last := times[len(times)-1]; time.Since(last) > time.Minute {
			t.Errorf("gave up %v ago", time.Since(last))
		}
		if got := w.Snapshot().Unanswered["web"]; got != "asking consul: connection refused" {
			t.Errorf("reason %q", got)
		}

		// One small request a second finds out when it is over.
		if n, seconds := len(r.probes()), int(outage/time.Second); n < seconds || n > 2*seconds {
			t.Errorf("asked for Consul itself %d times in %v, want once or twice a second", n, outage)
		}
		r.set(steady)
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		if s, known := w.Snapshot().Services["web"]; !known || s.Stale != "" {
			t.Errorf("web is %+v soon after Consul came back", s)
		}
		time.Sleep(time.Hour)
		if n := len(r.probes()); n > 2 {
			t.Errorf("asked for Consul itself %d times in an hour without an outage", n)
		}
	})
}

func TestWatcherWaitsAtRest(t *testing.T) {
	t.Parallel()
	r := &remote{answer: steady}
	simulate(t, r, []lb.Name{"web"}, func(w *discovery.Watcher) {
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := len(r.times()); n < 78 || n > 82 {
			t.Errorf("asked %d times in an hour, want once, then each 46 s", n)
		}
		if s := w.Snapshot().Services["web"]; time.Since(s.Seen) > 50*time.Second || s.Index != 7 {
			t.Errorf("web is %+v, want it confirmed with each answer", s)
		}
	})
}

func TestWatcherIsPatientWithConsul(t *testing.T) {
	t.Parallel()
	r := &remote{answer: steady}
	simulate(t, r, []lb.Name{"web"}, func(w *discovery.Watcher) {
		time.Sleep(10 * time.Second)
		r.set(silent) // after the blocking query that is under way
		time.Sleep(45 * time.Second)
		synctest.Wait()
		if s := w.Snapshot().Services["web"]; s.Stale != "" {
			t.Fatalf("stale %q while the query may still be answered", s.Stale)
		}
		// 45 s and a sixteenth to block, 10 s to answer.
		time.Sleep(50 * time.Second)
		synctest.Wait()
		if s := w.Snapshot().Services["web"]; s.Stale != "asking consul: no answer in time" {
			t.Errorf("stale %q, want that there is no answer", s.Stale)
		}
	})
}

func TestWatchersShareTheGoodNews(t *testing.T) {
	t.Parallel()
	r := &remote{answer: refused}
	names := serviceNames(20)
	simulate(t, r, names, func(w *discovery.Watcher) {
		time.Sleep(10 * time.Minute) // the pauses grow for about two
		r.set(steady)
		for len(w.Snapshot().Services) == 0 {
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		if n := len(w.Snapshot().Services); n != len(names) {
			t.Errorf("%d of %d services known right after the first", n, len(names))
		}
	})
}
