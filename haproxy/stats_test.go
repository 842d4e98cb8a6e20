package haproxy_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"thalassa/internal/testkit"
	"thalassa/lb"
)

// TestStats reads the counters of two slots: over a change of the member in one
// they go on, in a new worker they begin again.
func TestStats(t *testing.T) {
	each(t, func(fx *fixture) {
		t := fx.t
		failing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
		defer failing.Close()
		sound := testkit.StartWeb(t, "sound")
		slot := func(port string) []string {
			return []string{"default_backend live\n\nbackend live", "server s1 127.0.0.1:" + port + " weight 9", "server s2 127.0.0.1:" + port + " disabled"}
		}
		bad, err := lb.ParseBind(failing.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		config := func(word string) []byte {
			return testkit.HAProxyConfig{
				Description: "thalassa " + word, StatsSocket: fx.cfg.StatsSocket, Address: fx.address(), Frontend: slot(strconv.Itoa(int(bad.Port))),
			}.Bytes()
		}
		if _, err := fx.Stats(t.Context(), "live"); !errors.As(err, new(*lb.UnavailableError)) {
			t.Errorf("before HAProxy runs: %v", err)
		}
		if _, err := fx.Apply(t.Context(), config("one"), "one"); err != nil {
			t.Fatal(err)
		}
		ask(t, fx, 3)
		before := stats(t, fx, 2)
		if s := before[0]; s.Server != "s1" || s.Address != lb.HostPort(bad) || s.Weight != 9 || s.Status != "no check" || s.Requests != 3 ||
			s.Responses != (lb.Responses{ServerError: 3}) || s.ConnectErrors+s.ResponseErrors+s.Redispatches != 0 {
			t.Errorf("s1: %+v", s)
		}
		if s := before[1]; s.Server != "s2" || s.Status != "MAINT" || s.Requests != 0 {
			t.Errorf("s2: %+v", s)
		}

		good := lb.HostPort{Host: "127.0.0.1", Port: uint16(sound.Port)}
		if err := fx.CarryOut(t.Context(), lb.ServerOp{Backend: "live", Server: "s1", Address: &good}); err != nil {
			t.Fatal(err)
		}
		ask(t, fx, 2)
		if s := stats(t, fx, 2)[0]; s.Address != good || s.Requests != 5 || s.Responses != (lb.Responses{Success: 2, ServerError: 3}) {
			t.Errorf("s1 after a change of its member: %+v", s)
		}
		if out, err := fx.Apply(t.Context(), config("two"), "two"); err != nil || !out.Reloaded {
			t.Fatalf("reloading: %+v, %v", out, err)
		}
		ask(t, fx, 1)
		if s := stats(t, fx, 2)[0]; s.Address != lb.HostPort(bad) || s.Requests != 1 {
			t.Errorf("s1 in a new worker: %+v", s)
		}
		if list, err := fx.Stats(t.Context(), "web"); err != nil || len(list) != 0 {
			t.Errorf("a frontend has the servers %+v, %v", list, err)
		}
	})
}

func stats(tb testing.TB, fx *fixture, want int) []lb.ServerStats {
	tb.Helper()
	list, err := fx.Stats(tb.Context(), "live")
	if err != nil || len(list) != want {
		tb.Fatalf("%+v, %v", list, err)
	}
	return list
}

// ask sends requests on new connections, whatever the answers.
func ask(tb testing.TB, fx *fixture, requests int) {
	tb.Helper()
	for range requests {
		if _, err := fx.get(); err != nil {
			tb.Fatal(err)
		}
	}
}
