package template_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"thalassa/lb"
	"thalassa/template"
)

// poolsOf are so many backends of a server each.
func poolsOf(count int) []lb.ResolvedBackend {
	pools := make([]lb.ResolvedBackend, count)
	for i := range pools {
		pools[i] = lb.ResolvedBackend{
			Backend: lb.Backend{Key: lb.Name(fmt.Sprintf("b%d", i)), Mode: "http", Balance: "roundrobin"},
			Members: []lb.Member{{Address: lb.HostPort{Host: "10.0.0.1", Port: uint16(8000 + i)}, Weight: 1}},
		}
	}
	return pools
}

// What the library reads another way is refused in whichever place it is, and
// whatever was rendered before.
func TestWhatIsReadInTwoWaysIsAlwaysRefused(t *testing.T) {
	t.Parallel()
	count, step := 200, 1
	if testing.Short() {
		count, step = 60, 7
	}
	config := lb.Config{Process: lb.Process{StatsSocket: "/run/haproxy.sock"}, Backends: poolsOf(count)}
	tmpl := template.Default()
	for i := 0; i < count; i += step {
		if i%2 == 0 {
			if _, err := tmpl.Render(config); err != nil {
				t.Fatal(err)
			}
		}
		bad := config
		bad.Backends = poolsOf(count)
		bad.Backends[i].Natives = []lb.RawLine{"###_config-snippet_### BEGIN"}
		for range 2 {
			_, err := tmpl.Render(bad)
			if refused, ok := errors.AsType[*lb.RefusedError](err); !ok || !strings.Contains(refused.Output, "in two ways") {
				t.Fatalf("in backend %d it is %v", i, err)
			}
		}
	}
}
