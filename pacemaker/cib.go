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
	"thalassa/cluster/cibxml"
	"thalassa/cluster/config"
)

// A CIB is Pacemaker's configuration and status of the cluster at one moment. It
// contains secrets; Masked removes them.
type CIB struct {
	Epoch cluster.Epoch
	data  []byte
	root  *cibxml.Element

	once    sync.Once
	secrets []string // found once, see Hide
}

// ParseCIB parses a complete CIB.
func ParseCIB(data []byte) (*CIB, error) {
	root, err := cibxml.Parse(data)
	if err != nil {
		return nil, err
	}
	if root.Name != "cib" {
		return nil, fmt.Errorf("the document is <%s>, not <cib>", root.Name)
	}
	c := &CIB{data: data, root: root}
	c.Epoch, err = epochOf(root)
	return c, err
}

func epochOf(root *cibxml.Element) (cluster.Epoch, error) {
	var n [3]uint64
	for i, name := range []string{"admin_epoch", "epoch", "num_updates"} {
		var err error
		if n[i], err = strconv.ParseUint(root.Attr(name), 10, 64); err != nil {
			return cluster.Epoch{}, fmt.Errorf("attribute %s of the CIB is %q, not a number", name, root.Attr(name))
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
	root, err := cibxml.Parse(data)
	if err != nil {
		return cluster.Epoch{}, fmt.Errorf("reading the CIB's version: %w", err)
	}
	return epochOf(root)
}

// Root is the element of the whole CIB, with its secrets. It must not be changed.
func (c *CIB) Root() *cibxml.Element { return c.root }

// property returns a cluster option; empty: not set.
func (c *CIB) property(name string) string {
	options := c.section("crm_config")
	if options == nil {
		return ""
	}
	for _, set := range options.Children { // Pacemaker reads this one first
		if value := cibxml.New("", "").Add(set).Pair("cluster_property_set", name); set.Attr("id") == "cib-bootstrap-options" && value != "" {
			return value
		}
	}
	return options.Pair("cluster_property_set", name)
}

// primitives returns all primitives, also those in groups and clones.
func (c *CIB) primitives() []*cibxml.Element {
	return c.root.Child("configuration", "resources").Descendants("primitive")
}

// section is the part of the configuration with that name; nil: there is none.
func (c *CIB) section(name string) *cibxml.Element { return c.root.Child("configuration", name) }

// fencing returns whether fencing is enabled, its devices, and which of them no node
// runs. enabled is the effective option, as Pacemaker reads it; empty: unknown.
func (c *CIB) fencing(enabled string, resources []cluster.Resource) cluster.Fencing {
	enabled = cmp.Or(enabled, c.property("stonith-enabled"), c.property("stonith_enabled"))
	f := cluster.Fencing{Enabled: !cibxml.IsFalse(enabled), Devices: []string{}, Watchdog: c.hasWatchdog()}
	for _, p := range c.primitives() {
		if !strings.HasPrefix(config.AgentOf(c.section("resources"), p), "stonith:") {
			continue
		}
		id := p.Attr("id")
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
	return cibxml.IsTrue(c.property("have-watchdog")) && strings.Trim(strings.TrimRight(timeout, "smhunie"), "0") != ""
}

// attributes returns the transient attributes of each node by its name.
func (c *CIB) attributes() map[string]map[string]string {
	out := map[string]map[string]string{}
	for _, state := range c.root.Child("status").Descendants("node_state") {
		values := map[string]string{}
		for _, p := range state.Child("transient_attributes").Descendants("nvpair") {
			values[p.Attr("name")] = p.Attr("value")
		}
		out[state.Attr("uname")] = values
	}
	return out
}

// next returns the CIB after edit, with the next epoch; nil if edit changes
// nothing.
func (c *CIB) next(edit func(configuration *cibxml.Element) error) (*CIB, error) {
	root := c.root.Clone()
	configuration := root.Child("configuration")
	if configuration == nil {
		return nil, errors.New("the CIB has no configuration")
	}
	if err := edit(configuration); err != nil {
		return nil, err
	}
	if configuration.Equal(c.root.Child("configuration")) {
		return nil, nil //nolint:nilnil // documented: nothing changes
	}
	root.Set("epoch", strconv.FormatUint(c.Epoch.Epoch+1, 10))
	root.Set("num_updates", "0")
	return ParseCIB(root.Bytes())
}
