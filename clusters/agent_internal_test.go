package clusters

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"thalassa/client"
	"thalassa/cluster"
)

func answered(text string) client.Document {
	return client.Document{Type: "application/json", Data: []byte(text)}
}

// An answer with few bytes whose parts need far more memory is refused before it is decoded.
func TestAnswersAreCountedBeforeTheyAreDecoded(t *testing.T) {
	fill := func(before, part, after string) string {
		n := (maxStatus - len(before) - len(after)) / (len(part) + 1)
		return before + strings.Repeat(part+",", n-1) + part + after
	}
	for what, text := range map[string]string{
		"resources":                  fill(`{"state":"ok","resources":[`, "{}", `]}`),
		"resources that are null":    fill(`{"state":"ok","resources":[`, "null", `]}`),
		"resources that are numbers": fill(`{"state":"ok","resources":[`, "0", `]}`),
		"failures":                   fill(`{"state":"ok","failures":[`, "{}", `]}`),
		"places":                     fill(`{"state":"ok","resources":[{"places":[`, "{}", `]}]}`),
		"many short lists":           fill(`{"state":"ok","resources":[`, `{"places":[{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}]}`, `]}`),
		"an unknown field":           fill(`{"state":"ok","x":[`, "[[]]", `]}`),
		"texts with brackets":        fill(`{"state":"ok","name":"\\\"[{,","resources":[`, "{}", `]}`),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := parseStatus(answered(text))
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), "expected at most") {
			t.Errorf("%s: %v", what, err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 4<<20 {
			t.Errorf("%s: %d bytes need %d MiB", what, len(text), took>>20)
		}
	}
}

// The state of the largest cluster that fits into the bytes of an answer is read.
func TestLargestState(t *testing.T) {
	t.Parallel()
	v := cluster.Status{State: cluster.StateOK, Name: `a "name", with [{brackets}] \`}
	for i := range 32 {
		v.Nodes = append(v.Nodes, cluster.Node{Name: fmt.Sprintf("n%d", i), State: "online"})
	}
	for i := range 11_000 {
		id := fmt.Sprintf("r%d", i)
		v.Resources = append(v.Resources, cluster.Resource{ID: id, Agent: "ocf:heartbeat:IPaddr2", State: "started", Managed: true, Places: []cluster.Placement{{Node: "n1", State: "started"}}})
		v.Nodes[i%32].Resources = append(v.Nodes[i%32].Resources, id)
	}
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if len(data) > maxStatus || len(data) < maxStatus*8/10 {
		t.Fatalf("the state has %d bytes", len(data))
	}
	if got, err := parseStatus(answered(string(data))); err != nil || len(got.Resources) != len(v.Resources) || got.Name != v.Name {
		t.Errorf("%d resources, %v", len(got.Resources), err)
	}
}

// The worst answer that is decoded needs bounded memory.
func TestMemoryOfAnAnswer(t *testing.T) {
	parts := []string{`{"state":"ok"`}
	for _, list := range []string{"nodes", "resources", "floatingIPs", "failures", "tickets", "bans", "failCounts", "fenceHistory"} {
		parts = append(parts, `"`+list+`":[`+strings.Repeat("null,", 19_000)+"null]")
	}
	text := strings.Join(parts, ",") + "}"
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := parseStatus(answered(text))
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 128<<20 {
		t.Errorf("%d bytes need %d MiB, %v", len(text), took>>20, err)
	} else {
		t.Logf("%d bytes need %d MiB, %v", len(text), took>>20, err)
	}
}
