package template

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A confinement is how the global section limits what the workers reach.
type confinement struct {
	root  string // chroot; empty: none
	owner string // "user NAME" or "uid NUMBER" of the workers; empty: whoever starts HAProxy
}

// confinementOf reads the global sections. HAProxy takes the first user or uid.
func confinementOf(d document) confinement {
	var c confinement
	for _, s := range d.sections {
		if s.kind != "global" {
			continue
		}
		for _, l := range s.lines {
			if len(l.words) < 2 {
				continue
			}
			switch l.words[0] {
			case "chroot":
				c.root = l.words[1]
			case "user", "uid":
				if c.owner == "" {
					c.owner = l.words[0] + " " + quote(l.words[1])
				}
			}
		}
	}
	return c
}

// peersBind is the address and the options of the bind line over which a worker passes
// its stick tables on; empty: there is no such socket. An old worker connects to the
// address after it has changed its user and its root directory. Below another root a
// path leads nowhere, so the socket then has an abstract name.
func (t *Template) peersBind(v View) (string, error) {
	path := v.Process.PeersSocket
	if path == "" {
		return "", nil
	}
	v.Process.PeersBind = abstractBind(path)
	d, err := t.skeleton(v)
	if err != nil {
		return "", err
	}
	c := confinementOf(d)
	if c.root != "" && c.root != "/" {
		return v.Process.PeersBind, nil
	}
	bind := quote("unix@"+path) + " mode 600"
	if c.owner != "" {
		bind += " " + c.owner
	}
	return bind, nil
}

// abstractBind is an address in the abstract namespace that belongs to a path.
func abstractBind(path string) string {
	sum := sha256.Sum256([]byte(path))
	return "abns@thalassa-" + hex.EncodeToString(sum[:6])
}

// Warnings are about lines of a rendered configuration that HAProxy accepts and that
// lose the stick tables at a reload: the socket of a peers section that the workers
// cannot reach.
func Warnings(config []byte) []string {
	d, err := scan(string(config))
	if err != nil {
		return nil
	}
	c := confinementOf(d)
	var out []string
	for _, s := range d.sections {
		if s.kind != "peers" {
			continue
		}
		for _, l := range s.lines {
			if why := c.obstacle(l); why != "" {
				out = append(out, fmt.Sprintf("line %d: %s: stick tables with peers %s are lost at every reload; write \"bind {{.Process.PeersBind}}\"", l.number, why, s.name))
			}
		}
	}
	return out
}

// obstacle says why a worker cannot connect to the unix socket of a line of a peers
// section; "": it can, or there is none.
func (c confinement) obstacle(l line) string {
	at := map[string]int{"bind": 1, "peer": 2}[l.keyword()]
	if at == 0 || len(l.words) <= at || !isSocketPath(l.words[at]) {
		return ""
	}
	if c.root != "" && c.root != "/" {
		return fmt.Sprintf("chroot %s hides %s from the workers", c.root, l.words[at])
	}
	options := l.words[at+1:]
	if c.isRoot() || isOpen(options) || c.owns(options) {
		return ""
	}
	return fmt.Sprintf("the workers run as %s and may not connect to %s", c.owner, l.words[at])
}

func (c confinement) isRoot() bool {
	return slices.Contains([]string{"", "user root", "uid 0"}, c.owner)
}

// owns reports whether the options of a bind line give the socket to the workers. A
// name is not compared with a number.
func (c confinement) owns(options []string) bool {
	keyword, owner, _ := strings.Cut(c.owner, " ")
	for i := range len(options) - 1 {
		switch option := options[i]; {
		case option != "user" && option != "uid":
		case option != keyword || quote(options[i+1]) == owner:
			return true
		}
	}
	return false
}

// isOpen reports whether others than owner and group may connect. Without a mode
// HAProxy leaves that to the umask.
func isOpen(options []string) bool {
	i := slices.Index(options, "mode")
	if i < 0 || i+1 == len(options) {
		return true
	}
	mode, err := strconv.ParseUint(options[i+1], 8, 32)
	return err != nil || mode&0o022 != 0
}

// isSocketPath reports whether an address is the path of a unix socket.
func isSocketPath(address string) bool {
	address = strings.TrimPrefix(strings.TrimPrefix(address, "unix@"), "uxst@")
	return strings.HasPrefix(address, "/")
}
