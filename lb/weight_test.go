package lb_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"thalassa/lb"
)

// crowd makes instances of a version: one for each of Consul's weights.
func crowd(v lb.Version, weights ...int) []lb.Instance {
	out := make([]lb.Instance, len(weights))
	for i, w := range weights {
		out[i] = instance(uint16(1000*len(v)+100*int(v[len(v)-1]-'0')+i), func(in *lb.Instance) { in.Version, in.Weight = v, w })
	}
	return out
}

func equal(n, weight int) []int { return slices.Repeat([]int{weight}, n) }

func populated(t *testing.T, s lb.Split, crowds ...[]lb.Instance) lb.ResolvedBackend {
	t.Helper()
	b := backend(t, "live", `{"type": "dynamic", "service": "shop", "version": "1"}`)
	b.Version, b.Versions = "", s
	return lb.Populate(*b, snapshot(slices.Concat(crowds...)...))
}

// totals are the sums of weights by version.
func totals(p lb.ResolvedBackend) map[lb.Version]int {
	out := map[lb.Version]int{}
	for _, m := range p.Members {
		out[m.Version] += m.Weight
	}
	return out
}

func TestPopulateDividesTraffic(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		split     string
		instances [][]lb.Instance
		want      string // "version weight…" of the members in order
	}{
		"one each":                  {"1=90,2=10", [][]lb.Instance{crowd("1", 1), crowd("2", 1)}, "[1 252 2 28]"},
		"five percent":              {"1=95,2=5", [][]lb.Instance{crowd("1", 1), crowd("2", 1)}, "[1 247 2 13]"},
		"halves of unequal numbers": {"1=50,2=50", [][]lb.Instance{crowd("1", 1, 1, 1), crowd("2", 1)}, "[1 86 1 85 1 85 2 256]"},
		"consul's weights":          {"1=1,2=1", [][]lb.Instance{crowd("1", 300, 100), crowd("2", 7)}, "[1 192 1 64 2 256]"},
		"none has no members":       {"1=100,2=0", [][]lb.Instance{crowd("1", 5, 5), crowd("2", 1)}, "[1 256 1 256]"},
		"the missing one's share":   {"1=50,2=25,3=25", [][]lb.Instance{crowd("2", 1), crowd("3", 1)}, "[2 256 3 256]"},
		"nobody":                    {"1=50,2=50", [][]lb.Instance{crowd("3", 1)}, "[]"},
		"consul gives it nothing":   {"1=50,2=50", [][]lb.Instance{crowd("1", 1, 0), crowd("2", 1)}, "[1 256 1 0 2 256]"},
		"consul gives nobody any":   {"1=50,2=50", [][]lb.Instance{crowd("1", 0), crowd("2", 0, 0)}, "[1 256 2 128 2 128]"},
		"one version has nothing":   {"1=50,2=50", [][]lb.Instance{crowd("1", 0), crowd("2", 3)}, "[1 0 2 256]"},
		"one percent among many":    {"1=99,2=1", [][]lb.Instance{crowd("1", 1), crowd("2", 1, 1, 1)}, "[1 256 2 1 2 1 2 1]"},
		"more members than units":   {"1=99,2=1", [][]lb.Instance{crowd("1", 1), crowd("2", equal(8, 1)...)}, "[1 198 2 1 2 1 2 0 2 0 2 0 2 0 2 0 2 0]"},
		"the greatest weights":      {"1=1,2=1", [][]lb.Instance{crowd("1", 65535, 1), crowd("2", 65535)}, "[1 255 1 1 2 256]"},
		"not beyond the greatest":   {"1=1", [][]lb.Instance{crowd("1", 65535, 333, 333)}, "[1 256 1 2 1 1]"},
		"three thirds":              {"1=33,2=33,3=34", [][]lb.Instance{crowd("1", 1), crowd("2", 1), crowd("3", 1)}, "[1 231 2 231 3 238]"},
		"as far apart as they can":  {"1=10000,2=1", [][]lb.Instance{crowd("1", 1), crowd("2", 1)}, "[1 256 2 1]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := lb.ParseSplit(c.split)
			if err != nil {
				t.Fatal(err)
			}
			list := []string{}
			for _, m := range populated(t, s, c.instances...).Members {
				list = append(list, string(m.Version), strconv.Itoa(m.Weight))
			}
			if got := fmt.Sprint(list); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// An instance that names several versions by its tags is one member.
func TestPopulateCountsAnInstanceOnce(t *testing.T) {
	t.Parallel()
	both := func(i *lb.Instance) { i.Version, i.Tags = "", []string{"2", "1"} }
	pool := populated(t, lb.Split{{Version: "1", Weight: 1}, {Version: "2", Weight: 1}}, []lb.Instance{instance(1, both), instance(2, func(i *lb.Instance) { i.Version = "2" })})
	if len(pool.Members) != 2 || pool.Members[0].Version != "1" || pool.Members[1].Version != "2" {
		t.Errorf("%+v", pool.Members)
	}
	if id := pool.Members[1].ID(); id != "/shop/2/10.0.0.1/2" {
		t.Errorf("id %s", id)
	}
}

// Whatever the numbers and Consul's weights, each version gets its share of the
// traffic to one percent of it, and each member a weight that HAProxy takes: at
// least 1 unless that would cost the shares, and with its equals the same but
// for one.
func TestSharesHold(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	var worst float64
	idle, rounds := 0, 20_000
	if testing.Short() {
		rounds = 1000
	}
	for range rounds {
		var s lb.Split
		var crowds [][]lb.Instance
		sum, members := 0, 0
		for v := range 1 + random.IntN(4) {
			version := lb.Version(strconv.Itoa(v))
			n := 1 + random.IntN(1+random.IntN(60))
			weights := equal(n, 1)
			if random.IntN(2) == 0 {
				for i := range weights {
					weights[i] = 1 + random.IntN(1+random.IntN(65535))
				}
			}
			share := lb.Share{Version: version, Weight: 1 + random.IntN(100)}
			s, crowds, sum, members = append(s, share), append(crowds, crowd(version, weights...)), sum+share.Weight, members+n
		}
		pool := populated(t, s, crowds...)
		if len(pool.Members) != members {
			t.Fatalf("%v: %d members, want %d", s, len(pool.Members), members)
		}
		by, all := totals(pool), 0
		for _, total := range by {
			all += total
		}
		for _, share := range s {
			off := math.Abs(float64(by[share.Version])/float64(all) - float64(share.Weight)/float64(sum))
			worst = max(worst, off)
			if off > 0.01 {
				t.Fatalf("%v: version %s has %d of %d: %s", s, share.Version, by[share.Version], all, describe(pool))
			}
		}
		if slices.ContainsFunc(pool.Members, func(m lb.Member) bool { return m.Weight == 0 }) {
			idle++
		}
		checkWeights(t, pool, crowds)
	}
	t.Logf("the greatest error is %.3f%% of the traffic; %d pools had members without any", 100*worst, idle)
	if idle > rounds/10 {
		t.Errorf("%d of %d pools have members without traffic", idle, rounds)
	}
}

func checkWeights(t *testing.T, pool lb.ResolvedBackend, crowds [][]lb.Instance) {
	t.Helper()
	consul := map[lb.HostPort]int{}
	for _, i := range slices.Concat(crowds...) {
		consul[i.Address] = i.Weight
	}
	type kind struct {
		version lb.Version
		weight  int
	}
	seen := map[kind][2]int{}
	for _, m := range pool.Members {
		if m.Weight < 0 || m.Weight > 256 {
			t.Fatalf("weight %d: %s", m.Weight, describe(pool))
		}
		k := kind{m.Version, consul[m.Address]}
		span, ok := seen[k]
		if !ok {
			span = [2]int{m.Weight, m.Weight}
		}
		seen[k] = [2]int{min(span[0], m.Weight), max(span[1], m.Weight)}
		if span = seen[k]; span[1]-span[0] > 1 {
			t.Fatalf("equals of version %s have weights from %d to %d: %s", m.Version, span[0], span[1], describe(pool))
		}
	}
}

func describe(p lb.ResolvedBackend) string {
	var text strings.Builder
	for _, m := range p.Members {
		fmt.Fprintf(&text, " %s*%d", m.Version, m.Weight)
	}
	return text.String()
}

// Pools that differ in how they divide traffic are not one value.
func TestSplitMakesAnotherBackend(t *testing.T) {
	t.Parallel()
	pool := populated(t, lb.Split{{Version: "1", Weight: 1}}, crowd("1", 1))
	other := pool
	if !pool.Same(other) {
		t.Error("a pool is not itself")
	}
	other.Versions = lb.Split{{Version: "1", Weight: 2}}
	if pool.Same(other) {
		t.Error("another split is the same")
	}
}

// As many members of each version as the other is how a canary begins: nobody
// goes without traffic, and the shares are nearly exact.
func TestSharesOfEqualCrowds(t *testing.T) {
	t.Parallel()
	most := 40
	if testing.Short() {
		most = 12
	}
	for n := 1; n <= most; n++ {
		for percent := 1; percent < 100; percent++ {
			s := lb.Split{{Version: "1", Weight: 100 - percent}, {Version: "2", Weight: percent}}
			pool := populated(t, s, crowd("1", equal(n, 1)...), crowd("2", equal(n, 1)...))
			by := totals(pool)
			off := math.Abs(float64(by["2"])/float64(by["1"]+by["2"]) - float64(percent)/100)
			if off > 0.0005 || slices.ContainsFunc(pool.Members, func(m lb.Member) bool { return m.Weight == 0 }) {
				t.Errorf("%d members each, %d%%: off by %.3f%%: %s", n, percent, 100*off, describe(pool))
			}
		}
	}
}

func FuzzShares(f *testing.F) {
	f.Add(90, 10, 3, 1, 1, 65535)
	f.Add(10000, 1, 1, 60, 7, 1)
	f.Fuzz(func(t *testing.T, shareA, shareB, numberA, numberB, weightA, weightB int) {
		within := func(n, least, most int) int { return least + int(uint(n)%uint(most-least+1)) }
		s := lb.Split{{Version: "1", Weight: within(shareA, 1, 10000)}, {Version: "2", Weight: within(shareB, 0, 10000)}}
		crowds := [][]lb.Instance{
			crowd("1", equal(within(numberA, 1, 90), within(weightA, 0, 65535))...),
			crowd("2", equal(within(numberB, 1, 90), within(weightB, 0, 65535))...),
		}
		checkWeights(t, populated(t, s, crowds...), crowds)
	})
}
