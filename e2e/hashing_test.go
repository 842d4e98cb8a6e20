package e2e_test

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"thalassa/internal/testkit"
)

// hashedKeys are how many keys the tests ask for: with the numbers of slots, more than half
// of them differ.
const hashedKeys = 16

// hashedBackends are backends that hash, by name. MEMBERS stands for what says which members
// they have.
func hashedBackends() map[string]string {
	const dynamic, static = `"type":"dynamic","name":"shop","version":"1"`, `"type":"static","members":[MEMBERS]`
	const consistent, mapped = `,"hashStable":true,"natives":["hash-type consistent"]}`, `,"hashStable":true}`
	return map[string]string{
		"uri-consistent":    `{"balance":"uri",` + dynamic + consistent,
		"source-consistent": `{"balance":"source",` + dynamic + consistent,
		"hash-consistent":   `{"balance":"hash hdr(x-key)",` + dynamic + consistent,
		"uri-mapped":        `{"balance":"uri",` + dynamic + mapped,
		"fixed-consistent":  `{"balance":"hdr(x-key)",` + static + consistent,
		"fixed-mapped":      `{"balance":"url_param key",` + static + mapped,
	}
}

// hash configures the backends and a frontend that chooses one by a header.
func (n *node) hash(members []string) {
	n.tb.Helper()
	var rules []string
	for name, body := range hashedBackends() {
		n.call(200, http.MethodPut, "/backends/"+name, strings.Replace(body, "MEMBERS", strings.Join(members, ","), 1))
		rules = append(rules, fmt.Sprintf(`{"type":"header","header":"x-to","operation":"hdr","value":%q,"backend":%q}`, name, name))
	}
	n.call(200, http.MethodPut, "/frontends/web", fmt.Sprintf(`{"bind":%q,"rules":[%s]}`, n.address(), strings.Join(rules, ",")))
}

// owners tells which member each key of a backend leads to.
func (n *node) owners(backend string) map[int]string {
	n.tb.Helper()
	out := map[int]string{}
	for key := range hashedKeys {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 7, byte(1+key))}}
		client := http.Client{Timeout: patience, Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}}
		r, err := http.NewRequestWithContext(n.tb.Context(), http.MethodGet, fmt.Sprintf("http://%s/%d/x?key=%d", n.address(), key, key), nil)
		if err != nil {
			n.tb.Fatal(err)
		}
		r.Header.Set("X-To", backend)
		r.Header.Set("X-Key", strconv.Itoa(key))
		answer, err := client.Do(r)
		if err != nil {
			n.tb.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusOK {
			n.tb.Fatalf("backend %s, key %d: %d %s %v", backend, key, answer.StatusCode, body, err)
		}
		out[key] = strings.TrimSpace(string(body))
	}
	return out
}

// TestKeysLeadToTheSameMemberEverywhere: two load balancers that have seen the members in
// other orders, one of them with slots that were used again, agree on every key. A member
// that leaves moves only its own keys where the hash is consistent.
func TestKeysLeadToTheSameMemberEverywhere(t *testing.T) {
	for _, binary := range testkit.HAProxies(t) {
		t.Run(binary.Version, func(t *testing.T) {
			t.Parallel()
			isOld := strings.HasPrefix(binary.Version, "2.")
			consul := testkit.Consul(t)
			f := newFleet(t, consul)
			f.come(1, "1-a")
			one := hashNode(t, f, binary.Path, nil)
			for _, name := range []string{"1-b", "1-c", "1-d"} {
				f.come(1, name)
				one.uses(f)
			}
			f.come(1, "2-a", "2-b")
			for _, version := range []string{"2", "1"} {
				for _, name := range []string{"uri-consistent", "uri-mapped", "source-consistent"} {
					one.call(200, http.MethodPost, "/backends/"+name, fmt.Sprintf(`{"version":%q,"wait":"10s"}`, version))
				}
			}
			f.leave("1-a", "1-c")
			one.uses(f)
			f.come(1, "1-e")
			one.uses(f)
			f.come(1, "1-a")
			one.uses(f)
			other := hashNode(t, f, binary.Path, slices.Reverse[[]string])
			before := one.agreesWith(other)
			other.withoutReload(func() {
				other.signal(syscall.SIGKILL)
				other.start()
				other.uses(f)
			})
			plain := one.call(200, http.MethodPut, "/backends/plain", `{"type":"static","balance":"uri","natives":["hash-type consistent"]}`)
			if warns := strings.Contains(fmt.Sprint(plain["warnings"]), "hashStable"); warns != isOld {
				t.Errorf("without hashStable: %v", plain)
			}

			f.leave("1-d")
			one.uses(f)
			other.uses(f)
			after := one.agreesWith(other)
			for name, owners := range before {
				for key, owner := range owners {
					if strings.HasSuffix(name, "-consistent") && owner != "1-d" && after[name][key] != owner {
						t.Errorf("%s: key %d has moved from %s to %s", name, key, owner, after[name][key])
					}
				}
			}
			if _, activity := one.try(http.MethodGet, "/activity?limit=50", ""); !strings.Contains(activity, "hashStable numbers the server lines by address") {
				t.Errorf("no reload says that hashStable is its reason: %s", activity)
			}
			if config := one.config(); strings.Contains(config, "hash-key addr-port") == isOld {
				t.Errorf("haproxy.cfg is\n%s", config)
			}
		})
	}
}

// hashNode starts a load balancer with the backends; order is that of static members.
func hashNode(tb testing.TB, f *fleet, haproxy string, order func([]string)) *node {
	tb.Helper()
	n := newNode(tb, f.consul.Address(), "--hold-min", "100", "--reload-every", "100ms")
	n.haproxy = haproxy
	n.start()
	fixed := []string{"s-1", "s-2", "s-3", "s-4"}
	var members []string
	for _, name := range fixed {
		if f.address[name] == "" {
			f.address[name] = fmt.Sprintf("127.0.0.1:%d", testkit.StartWeb(f.tb, name).Port)
		}
		host, port, _ := strings.Cut(f.address[name], ":")
		members = append(members, fmt.Sprintf(`{"host":%q,"port":%s}`, host, port))
	}
	if order != nil {
		order(members)
	}
	n.hash(members)
	n.uses(f)
	return n
}

// uses waits until each dynamic backend has its registered instances as members.
func (n *node) uses(f *fleet) {
	n.tb.Helper()
	want := len(f.names("1"))
	testkit.Eventually(n.tb, patience, func() error {
		for name, body := range hashedBackends() {
			b := n.call(200, http.MethodGet, "/backends/"+name, "")
			if members, _ := b["members"].([]any); strings.Contains(body, "dynamic") && len(members) != want {
				return fmt.Errorf("%s has %d members, expected %d", name, len(members), want)
			}
		}
		return nil
	})
}

// agreesWith waits until two nodes send each key to the same member, and returns those.
func (n *node) agreesWith(other *node) map[string]map[int]string {
	n.tb.Helper()
	all := map[string]map[int]string{}
	for name := range hashedBackends() {
		testkit.Eventually(n.tb, patience, func() error {
			a, b := n.owners(name), other.owners(name)
			if !maps.Equal(a, b) {
				return fmt.Errorf("%s: %v and %v", name, a, b)
			}
			all[name] = a
			return nil
		})
	}
	return all
}
