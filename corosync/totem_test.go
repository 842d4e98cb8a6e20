package corosync_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"thalassa/corosync"
)

func TestTotemWarnings(t *testing.T) {
	t.Parallel()
	const line = "%s (u32) = %d\n"
	for name, tc := range map[string]struct {
		values map[string]int
		want   []string // in the warnings; none: there are none
	}{
		"fast":           {map[string]int{"runtime.config.totem.token": 1000, "totem.token": 1000, "totem.token_coefficient": 0}, nil},
		"defaults":       {map[string]int{"runtime.config.totem.token": 3650, "runtime.config.totem.consensus": 4380}, []string{"3650 ms", "another 4380 ms", "token is not set", "token_coefficient is not set"}},
		"a coefficient":  {map[string]int{"runtime.config.totem.token": 1650, "totem.token": 1000, "totem.token_coefficient": 650}, []string{"1650 ms", "token_coefficient is 650"}},
		"a long token":   {map[string]int{"runtime.config.totem.token": 5000, "totem.token": 5000, "totem.token_coefficient": 0}, []string{"token is 5000"}},
		"nothing at all": {nil, nil},
	} {
		var out strings.Builder
		for key, value := range tc.values {
			fmt.Fprintf(&out, line, key, value)
		}
		totem, ok := corosync.ParseTotem(out.String())
		if ok != (tc.values != nil) {
			t.Errorf("%s: %t", name, ok)
		}
		text := strings.Join(totem.Warnings(), "\n")
		if (text == "") != (tc.want == nil) {
			t.Errorf("%s: %q", name, text)
		}
		for _, w := range tc.want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: %q is not in %s", name, w, text)
			}
		}
	}
}

// The file has what corosync makes of it.
func TestTotemOfTheFile(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for name, tc := range map[string]struct {
		totem string
		nodes int
		want  corosync.Totem
	}{
		"nothing, two nodes":  {"", 2, corosync.Totem{Token: 3000 * ms, Consensus: 3600 * ms, Base: corosync.Unset, Coefficient: corosync.Unset}},
		"nothing, four nodes": {"", 4, corosync.Totem{Token: 4300 * ms, Consensus: 5160 * ms, Base: corosync.Unset, Coefficient: corosync.Unset}},
		"a token, four nodes": {"token: 1000\ntoken_coefficient: 0\n", 4, corosync.Totem{Token: 1000 * ms, Consensus: 1200 * ms, Base: 1000 * ms}},
		"all of them":         {"token: 1000\ntoken_coefficient: 50\nconsensus: 2000\n", 4, corosync.Totem{Token: 1100 * ms, Consensus: 2000 * ms, Base: 1000 * ms, Coefficient: 50 * ms}},
		"no number":           {"token: soon\n", 1, corosync.Totem{Token: 3000 * ms, Consensus: 3600 * ms, Base: corosync.Unset, Coefficient: corosync.Unset}},
	} {
		var text strings.Builder
		text.WriteString("totem {\n" + tc.totem + "}\nnodelist {\n")
		for i := range tc.nodes {
			fmt.Fprintf(&text, "node {\nring0_addr: 192.0.2.%d\n}\n", i+1)
		}
		c, err := corosync.Parse([]byte(text.String() + "}\n"))
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Totem(); got != tc.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
