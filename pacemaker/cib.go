package pacemaker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"thalassa/cluster"
)

// A CIB is the cluster's configuration and status at one moment, as Pacemaker
// keeps it. It holds secrets; Masked does not.
type CIB struct {
	Epoch cluster.Epoch
	data  []byte
	root  *element
}

// ParseCIB reads a whole CIB.
func ParseCIB(data []byte) (*CIB, error) {
	root, err := parseXML(data)
	if err != nil {
		return nil, err
	}
	if root.name != "cib" {
		return nil, fmt.Errorf("<%s> is not a CIB", root.name)
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
			return cluster.Epoch{}, fmt.Errorf("the CIB's %s is %q, not a number", name, root.attr(name))
		}
	}
	return cluster.Epoch{Admin: n[0], Epoch: n[1], Updates: n[2]}, nil
}

// Query asks the Pacemaker of this node for its whole CIB.
func (c *Cluster) Query(ctx context.Context) (*CIB, error) {
	data, err := c.run(ctx, call{tool: "cibadmin", args: []string{"-Ql"}, plain: true})
	if err != nil {
		return nil, fmt.Errorf("reading the CIB: %w", err)
	}
	cib, err := ParseCIB(data)
	if err != nil {
		return nil, fmt.Errorf("reading the CIB: %w", err)
	}
	return cib, nil
}

// Epoch asks for the CIB's version only, which is cheap.
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

// property is a cluster option; empty: not set.
func (c *CIB) property(name string) string {
	return c.root.child("configuration", "crm_config").nvpair("cluster_property_set", name)
}

// primitives are all primitives, whatever they are part of.
func (c *CIB) primitives() []*element {
	return c.root.child("configuration", "resources").all("primitive")
}

// fencing says which devices could turn off a node.
func (c *CIB) fencing() cluster.Fencing {
	f := cluster.Fencing{Enabled: !isFalse(c.property("stonith-enabled")), Devices: []string{}}
	for _, p := range c.primitives() {
		if p.attr("class") == "stonith" {
			f.Devices = append(f.Devices, p.attr("id"))
		}
	}
	return f
}

// addresses has the address of each floating IP, by resource.
func (c *CIB) addresses() map[string]string {
	out := map[string]string{}
	for _, p := range c.primitives() {
		if p.attr("class") != "ocf" || !strings.HasPrefix(p.attr("type"), "IPaddr") && p.attr("type") != "IPv6addr" {
			continue
		}
		ip := p.nvpair("instance_attributes", "ip")
		if ip == "" {
			ip = p.nvpair("instance_attributes", "ipv6addr")
		}
		if mask := p.nvpair("instance_attributes", "cidr_netmask"); mask != "" {
			ip += "/" + mask
		}
		out[p.attr("id")] = ip
	}
	return out
}

// attributes are the transient attributes of each node, by its name.
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

// next is the CIB as edit changes it, one epoch later; nil when edit changes
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

// isFalse and isTrue understand Pacemaker's booleans (crm_str_to_boolean).
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
