package statsock_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"thalassa/internal/testkit"
	"thalassa/statsock"
)

func TestSeparate(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{"> ", nil},
		{"\n> ", []string{""}},
		{"a\n\n> ", []string{"a\n"}},
		{"a\nb\n\n> \n> c\n\n> ", []string{"a\nb\n", "", "c\n"}}, // until 3.0
		{"a\nb\n\n\nc\n\n> ", []string{"a\nb\n", "", "c\n"}},     // since then
		{"\n\na\n\n> ", []string{"", "", "a\n"}},
		{"a\n\n> b\n", []string{"a\n"}},
		{"a\n> ", []string{"a\n"}},                     // a refusal of 2.6
		{"a\n> b\nc\n\n> ", []string{"a\n", "b\nc\n"}}, // and another answer behind it
		{"\n> a\n> \n> ", []string{"", "a\n", ""}},
	} {
		if got := statsock.Separate(c.text); !slices.Equal(got, c.want) {
			t.Errorf("%q: got %q, want %q", c.text, got, c.want)
		}
	}
}

// TestAnswersComeInPieces, of which each may end like the last.
func TestAnswersComeInPieces(t *testing.T) {
	long := strings.Repeat("a line of many\n", 10_000)
	want := []string{"", long, "", "\tb > \n", ""}
	for release, between := range map[string]string{"until 3.0": "> ", "since then": ""} {
		said := "\n> " + strings.Join(want[1:], "\n"+between) + "\n> "
		for name, reader := range map[string]func(io.Reader) io.Reader{
			"bytes": iotest.OneByteReader, "halves": iotest.HalfReader, "with the end": iotest.DataErrReader, "at once": func(r io.Reader) io.Reader { return r },
		} {
			got, err := statsock.ReadAnswers(reader(strings.NewReader(said)), len(want))
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s, %s: %.100q, %v", release, name, got, err)
			}
			if _, err := statsock.ReadAnswers(reader(strings.NewReader(said)), len(want)+1); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s, %s: an answer that is missing: %v", release, name, err)
			}
		}
	}
	if _, err := statsock.ReadAnswers(strings.NewReader("\na\n\n> "), 1); err == nil || !strings.Contains(err.Error(), "2 answers to 1") {
		t.Errorf("an answer too many: %v", err)
	}
}

// TestSession asks every release at hand.
func TestSession(t *testing.T) {
	for _, binary := range testkit.HAProxies(t) {
		t.Run(binary.Version, func(t *testing.T) {
			h := testkit.RunHAProxy(t, binary.Path, testkit.HAProxyConfig{
				Address: fmt.Sprintf("127.0.0.1:%d", testkit.Port(t)), Backend: "127.0.0.1:1",
				Frontend: []string{"\nbackend other", "server s1 127.0.0.1:2 weight 3"},
			})
			client := statsock.New(h.StatsSocket)
			testkit.Eventually(t, patience, func() error { _, err := client.ShowInfo(t.Context()); return err })
			var procs statsock.Processes
			testkit.Eventually(t, patience, func() (err error) {
				procs, err = statsock.NewMaster(h.MasterSocket).ShowProc(t.Context())
				return err
			})
			t.Run("stats socket", func(t *testing.T) { checkSession(t, client) })
			worker := statsock.NewMaster(h.MasterSocket).Worker(procs.Workers[0].PID)
			t.Run("master socket", func(t *testing.T) {
				checkSession(t, worker)
				offer, err := worker.Offer(t.Context())
				if err != nil || offer.Level != "admin" || !offer.Has("set server") {
					t.Errorf("it offers %+v, %v", offer, err)
				}
			})
			session, err := statsock.NewMaster(h.MasterSocket).Worker(1).Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := session.ShowServers(t.Context(), "other", "members"); !errors.Is(err, statsock.ErrWorkerGone) {
				t.Errorf("a worker that does not live: %v", err)
			}
		})
	}
}

// checkSession has what a session is for done in one.
func checkSession(t *testing.T, client *statsock.Client) {
	t.Helper()
	session, err := client.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer session.End()
	words, err := session.Change(t.Context(), "set server members/member state maint", "set server other/s9 state maint", "set server other/s1 weight 7")
	if err != nil || len(words) != 1 || !strings.HasPrefix(words[0], "No such server") {
		t.Errorf("it said %q, %v", words, err)
	}
	servers, err := session.ShowServers(t.Context(), "other", "members")
	if err != nil || len(servers) != 2 || servers[0].Name != "s1" || servers[0].Weight != 7 || servers[0].Maintenance || !servers[1].Maintenance {
		t.Errorf("got %+v, %v", servers, err)
	}
	connections, err := session.ShowConnections(t.Context(), "members")
	if err != nil || len(connections) != 1 || connections[0].Name != "member" || connections[0].Used != 0 {
		t.Errorf("got %+v, %v", connections, err)
	}
	if servers, err = session.ShowServers(t.Context()); err != nil || len(servers) != 0 {
		t.Errorf("none: %+v, %v", servers, err)
	}
	if servers, err = session.ShowServers(t.Context(), slices.Repeat([]string{"other", "members"}, 500)...); err != nil || len(servers) != 1000 || servers[999].Name != "member" {
		t.Errorf("many: %d, %v", len(servers), err)
	}
	if _, err = session.ShowServers(t.Context(), "nobody"); err == nil || !strings.Contains(err.Error(), "Can't find backend") {
		t.Errorf("a backend that does not exist: %v", err)
	}
	if _, err = session.Change(t.Context(), "a\nb"); err == nil {
		t.Errorf("two lines: %v", err)
	}
}

func FuzzSeparate(f *testing.F) {
	f.Add("a\nb\n\n> \n> c\n\n> ")
	f.Add("a\nb\n\n\nc\n")
	f.Add("a\n\n> \nrefused\n> ")
	f.Fuzz(func(t *testing.T, text string) {
		rest := text
		for _, answer := range statsock.Separate(text) {
			var ok bool
			if rest, ok = strings.CutPrefix(strings.TrimPrefix(rest, "> "), answer); !ok {
				t.Fatalf("%q has the answer %q", text, answer)
			}
			blank := strings.HasPrefix(rest, "\n")
			if !blank && !strings.HasPrefix(rest, "> ") {
				t.Fatalf("%q has the answer %q, which neither a blank line nor the prompt ends", text, answer)
			}
			rest = strings.TrimPrefix(rest, "\n")
		}
	})
}
