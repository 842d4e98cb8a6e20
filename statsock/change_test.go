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
		text  string // without the last blank line
		count int
		want  []string // nil: refused
	}{
		{"", 1, []string{""}},
		{"\n", 2, []string{"", ""}},
		{"a\n", 1, []string{"a\n"}},
		{"a\nb\n\n\nc\n", 3, []string{"a\nb\n", "", "c\n"}},
		{"\n\na\n", 3, []string{"", "", "a\n"}},
		{"a\n\n", 2, []string{"a\n", ""}},
		{"a\n", 2, nil},
		{"a\n\nb\n", 1, nil},
		{"a", 1, nil},
	} {
		got, err := statsock.Separate(c.text, c.count)
		if !slices.Equal(got, c.want) || (err == nil) != (c.want != nil) {
			t.Errorf("%q: got %q, %v, want %q", c.text, got, err, c.want)
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
			words, servers, err := client.ChangeServers(t.Context(), []string{
				"set server members/member state maint", "set server other/s9 state maint", "set server other/s1 weight 7",
			}, []string{"other", "members"})
			if err != nil || len(servers) != 2 || servers[0].Name != "s1" || servers[0].Weight != 7 || servers[0].Maintenance || !servers[1].Maintenance {
				t.Errorf("got %+v, %v", servers, err)
			}
			if len(words) != 1 || !strings.HasPrefix(words[0], "No such server") {
				t.Errorf("it said %q", words)
			}
			if _, servers, err = client.ChangeServers(t.Context(), nil, []string{""}); err != nil || len(servers) != 2 {
				t.Errorf("all: %+v, %v", servers, err)
			}
			words, servers, err = client.ChangeServers(t.Context(), []string{"set server other/s1 state drain"}, nil)
			if err != nil || len(words)+len(servers) != 0 {
				t.Errorf("none: %q, %+v, %v", words, servers, err)
			}
			if _, _, err = client.ChangeServers(t.Context(), nil, []string{"nobody"}); err == nil || !strings.Contains(err.Error(), "Can't find backend") {
				t.Errorf("a backend that does not exist: %v", err)
			}
			if _, _, err = client.ChangeServers(t.Context(), []string{"a\nb"}, nil); err == nil {
				t.Errorf("two lines: %v", err)
			}
		})
	}
}

func FuzzSeparate(f *testing.F) {
	f.Add("a\nb\n\n\nc\n", 3)
	f.Fuzz(func(t *testing.T, text string, count int) {
		answers, err := statsock.Separate(text, min(max(count, 0), 100))
		if err != nil {
			return
		}
		if joined := strings.Join(answers, "\n") + "\n"; strings.TrimRight(joined, "\n") != strings.TrimRight(text+"\n", "\n") {
			t.Errorf("%q became %q", text, answers)
		}
	})
}
