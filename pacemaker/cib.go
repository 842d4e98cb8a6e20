package pacemaker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"thalassa/cluster"
)

// A CIB is Pacemaker's configuration and status of the cluster at one moment. It
// contains secrets; Masked removes them.
type CIB struct {
	Epoch cluster.Epoch
	data  []byte
	root  *element

	once    sync.Once
	secrets []string // found once, see Hide
}

// ParseCIB parses a complete CIB.
func ParseCIB(data []byte) (*CIB, error) {
	root, err := parseXML(data)
	if err != nil {
		return nil, err
	}
	if root.name != "cib" {
		return nil, fmt.Errorf("the document is <%s>, not <cib>", root.name)
	}
	c := &CIB{data: data, root: root}
	c.Epoch, err = epochOf(root)
	return c, err
}

func epochOf(root *element) (cluster.Epoch, error) {
	var n [3]uint64
	for i, name := range []string{"admin_epoch", "epoch", "num_updates"} {
		var err error
		if n[i], err = strconv.ParseUint(root.attr(name), 10, 64); err != nil {
			return cluster.Epoch{}, fmt.Errorf("attribute %s of the CIB is %q, not a number", name, root.attr(name))
		}
	}
	return cluster.Epoch{Admin: n[0], Epoch: n[1], Updates: n[2]}, nil
}

// queryCIB reads the complete CIB.
func queryCIB() call { return call{tool: "cibadmin", args: []string{"-Ql"}, plain: true} }

// Query reads the complete CIB from Pacemaker on this node.
func (c *Cluster) Query(ctx context.Context) (*CIB, error) {
	data, err := c.run(ctx, queryCIB())
	if err != nil {
		return nil, fmt.Errorf("reading the CIB: %w", err)
	}
	cib, err := ParseCIB(data)
	if err != nil {
		return nil, fmt.Errorf("reading the CIB: %w", err)
	}
	return cib, nil
}

// Epoch reads only the version of the CIB, which is cheap.
func (c *Cluster) Epoch(ctx context.Context) (cluster.Epoch, error) {
	data, err := c.run(ctx, call{tool: "cibadmin", args: []string{"-Ql", "-n"}, plain: true})
	if err != nil {
		return cluster.Epoch{}, fmt.Errorf("reading the CIB's version: %w", err)
	}
	root, err := parseXML(data)
	if err != nil {
		return cluster.Epoch{}, fmt.Errorf("reading the CIB's version: %w", err)
	}
	return epochOf(root)
}

// property returns a cluster option; empty: not set.
func (c *CIB) property(name string) string {
	config := c.section("crm_config")
	if config == nil {
		return ""
	}
	for _, set := range config.children { // Pacemaker reads this one first
		if value := el("", "").add(set).nvpair("cluster_property_set", name); set.attr("id") == "cib-bootstrap-options" && value != "" {
			return value
		}
	}
	return config.nvpair("cluster_property_set", name)
}

// primitives returns all primitives, also those in groups and clones.
func (c *CIB) primitives() []*element {
	return c.root.child("configuration", "resources").all("primitive")
}

// section is the part of the configuration with that name; nil: there is none.
func (c *CIB) section(name string) *element { return c.root.child("configuration", name) }

// fencing returns whether fencing is enabled, its devices, and which of them no node
// runs. enabled is the effective option, as Pacemaker reads it; empty: unknown.
func (c *CIB) fencing(enabled string, resources []cluster.Resource) cluster.Fencing {
	enabled = cmp.Or(enabled, c.property("stonith-enabled"), c.property("stonith_enabled"))
	f := cluster.Fencing{Enabled: !isFalse(enabled), Devices: []string{}, Watchdog: c.hasWatchdog()}
	for _, p := range c.primitives() {
		if !strings.HasPrefix(agentOf(c.section("resources"), p), "stonith:") {
			continue
		}
		id := p.attr("id")
		f.Devices = append(f.Devices, id)
		if slices.ContainsFunc(resources, func(r cluster.Resource) bool {
			return r.ID == id && (len(r.Places) == 0 || r.State == "failed" || r.State == "blocked")
		}) {
			f.Idle = append(f.Idle, id)
		}
	}
	return f
}

// hasWatchdog reports whether nodes reset themselves by their watchdogs: SBD without a
// disk, for which stonith-watchdog-timeout is set.
func (c *CIB) hasWatchdog() bool {
	timeout := strings.TrimSpace(c.property("stonith-watchdog-timeout"))
	return isTrue(c.property("have-watchdog")) && strings.Trim(strings.TrimRight(timeout, "smhunie"), "0") != ""
}

// attributes returns the transient attributes of each node by its name.
func (c *CIB) attributes() map[string]map[string]string {
	out := map[string]map[string]string{}
	for _, state := range c.root.child("status").all("node_state") {
		values := map[string]string{}
		for _, p := range state.child("transient_attributes").all("nvpair") {
			values[p.attr("name")] = p.attr("value")
		}
		out[state.attr("uname")] = values
	}
	return out
}

// next returns the CIB after edit, with the next epoch; nil if edit changes
// nothing.
func (c *CIB) next(edit func(configuration *element) error) (*CIB, error) {
	root := c.root.clone()
	configuration := root.child("configuration")
	if configuration == nil {
		return nil, errors.New("the CIB has no configuration")
	}
	if err := edit(configuration); err != nil {
		return nil, err
	}
	if configuration.equal(c.root.child("configuration")) {
		return nil, nil //nolint:nilnil // documented: nothing changes
	}
	root.set("epoch", strconv.FormatUint(c.Epoch.Epoch+1, 10))
	root.set("num_updates", "0")
	return ParseCIB(root.bytes())
}

// isFalse and isTrue parse Pacemaker's booleans (crm_str_to_boolean).
func isFalse(s string) bool {
	switch strings.ToLower(s) {
	case "false", "off", "no", "n", "0":
		return true
	}
	return false
}

func isTrue(s string) bool {
	switch strings.ToLower(s) {
	case "true", "on", "yes", "y", "1":
		return true
	}
	return false
}
