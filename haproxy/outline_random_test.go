package haproxy_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// TestOptionsAreReadAsHAProxyReadsThem starts HAProxy with hundreds of servers whose
// options come in any order and from everywhere. A setting that is not what HAProxy
// makes of it would be refused.
func TestOptionsAreReadAsHAProxyReadsThem(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	each(t, func(fx *fixture) {
		d := dealer{rand.New(rand.NewPCG(seed, 1))}
		var b strings.Builder
		b.Write(fx.config("many"))
		section := func(title string) {
			fmt.Fprintf(&b, "%s\n    mode http\n    timeout connect 1s\n    timeout server 1s\n    timeout client 1s\n", title)
			for _, line := range d.options("disabled", "enabled", "weight N", "weight 0") {
				fmt.Fprintf(&b, "    %s\n", strings.ReplaceAll(string(line), " ", strings.Repeat(" ", 1+d.IntN(2))))
			}
		}
		for i := range 100 {
			from := ""
			switch d.IntN(4) {
			case 0:
				section(fmt.Sprintf("defaults d%d", i))
				from = fmt.Sprintf(" from d%d", i)
			case 1:
				section("defaults")
			}
			if i > 0 && d.IntN(9) == 0 {
				from = ""
			}
			section(fmt.Sprintf("backend b%d%s", i, from))
			for j := range 4 {
				var line strings.Builder
				for _, fx := range d.options("disabled", "enabled", "weight N", "weight 0") {
					line.WriteString(strings.TrimPrefix(strings.TrimPrefix(string(fx), "default-server"), "option httpchk"))
				}
				address := []string{"127.0.0.%d:%d", `"127.0.0.%d":%d`, "[::1%d]:%d", "ipv4@127.0.0.%d:%d", "127.0.0.%d:+%d"}[d.IntN(5)]
				address = fmt.Sprintf(address, 1+d.IntN(9), 1+d.IntN(99))
				fmt.Fprintf(&b, "    server s%d %s%s # \"ssl\n", 5+j, address, line.String())
			}
		}
		if _, err := fx.Apply(t.Context(), []byte(b.String()), "many"); err != nil {
			fx.t.Errorf("seed %d: %v", seed, err)
		}
	})
}
