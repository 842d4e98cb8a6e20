package statsock_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

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
		{"a\n> ", nil},
	} {
		if got := statsock.Separate(c.text); !slices.Equal(got, c.want) {
			t.Errorf("%q: got %q, want %q", c.text, got, c.want)
		}
	}
}

// TestChangeServers asks every release at hand.
func TestChangeServers(t *testing.T) {
	for _, binary := range testkit.HAProxies(t) {
		t.Run(binary.Version, func(t *testing.T) {
			h := testkit.RunHAProxy(t, binary.Path, testkit.HAProxyConfig{
				Address: fmt.Sprintf("127.0.0.1:%d", testkit.Port(t)), Backend: "127.0.0.1:1",
				Frontend: []string{"\nbackend other", "server s1 127.0.0.1:2 weight 3"},
			})
			client := statsock.New(h.StatsSocket)
			testkit.Eventually(t, patience, func() error { _, err := client.ShowInfo(t.Context()); return err })
			session, err := client.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer session.End()
			words, servers, err := session.ChangeServers(t.Context(), []string{
				"set server members/member state maint", "set server other/s9 state maint", "set server other/s1 weight 7",
			}, []string{"other", "members"})
			if err != nil || len(servers) != 2 || servers[0].Name != "s1" || servers[0].Weight != 7 || servers[0].Maintenance || !servers[1].Maintenance {
				t.Errorf("got %+v, %v", servers, err)
			}
			if len(words) != 1 || !strings.HasPrefix(words[0], "No such server") {
				t.Errorf("it said %q", words)
			}
			if _, servers, err = session.ChangeServers(t.Context(), nil, []string{""}); err != nil || len(servers) != 2 {
				t.Errorf("all: %+v, %v", servers, err)
			}
			words, servers, err = session.ChangeServers(t.Context(), []string{"set server other/s1 state drain"}, nil)
			if err != nil || len(words)+len(servers) != 0 {
				t.Errorf("none: %q, %+v, %v", words, servers, err)
			}
			if _, _, err = session.ChangeServers(t.Context(), nil, []string{"nobody"}); err == nil || !strings.Contains(err.Error(), "Can't find backend") {
				t.Errorf("a backend that does not exist: %v", err)
			}
			if _, _, err = session.ChangeServers(t.Context(), []string{"a\nb"}, nil); err == nil {
				t.Errorf("two lines: %v", err)
			}
		})
	}
}

func FuzzSeparate(f *testing.F) {
	f.Add("a\nb\n\n> \n> c\n\n> ")
	f.Add("a\nb\n\n\nc\n")
	f.Fuzz(func(t *testing.T, text string) {
		rest := text
		for _, answer := range statsock.Separate(text) {
			var ok bool
			if rest, ok = strings.CutPrefix(strings.TrimPrefix(rest, "> "), answer+"\n"); !ok {
				t.Fatalf("%q has the answer %q", text, answer)
			}
		}
	})
}
