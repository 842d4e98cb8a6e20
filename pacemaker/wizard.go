package pacemaker

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"thalassa/cluster/cibxml"
	"thalassa/cluster/config"
	"thalassa/cluster/wizard"
	"thalassa/lb"
)

// HAProxyEdits are the edits that add to a configuration what Plan would add for the same
// Description. Nothing that exists is replaced. Plan also asks the nodes, and restarts HAProxy
// node by node; edits do not need that, because HAProxy is new. Errors: *lb.InvalidError,
// *lb.ConflictError.
func (c *Cluster) HAProxyEdits(configuration *cibxml.Element, h wizard.HAProxy) ([]config.Edit, error) {
	d, err := described(h)
	if err != nil {
		return nil, err
	}
	if err := checkParameters(c, d); err != nil {
		return nil, err
	}
	after := configuration.Clone()
	if err := checkNodes(d, &CIB{root: cibxml.New("cib").Add(after)}); err != nil {
		return nil, err
	}
	if err := d.clash(after.Child("resources"), c.cfg.Defaults); err != nil {
		return nil, err
	}
	if err := isNew(d, configuration); err != nil {
		return nil, err
	}
	if _, err := d.edit(after); err != nil {
		return nil, err
	}
	return additions(configuration, after)
}

// described is the Description of what a wizard is to make.
func described(h wizard.HAProxy) (Description, error) {
	d := Description{Name: h.Name, Topology: h.Topology, Order: h.Order, Interface: h.Interface, Prefer: h.Prefer, Nodes: h.Nodes, Parameters: h.Parameters}
	var fe lb.FieldErrors
	for _, text := range h.Addresses {
		a, err := netip.ParsePrefix(text)
		if err != nil || a.Addr().Is4In6() {
			fe.Add("ip", fmt.Sprintf("%q is not an address with its prefix length", text), "e.g. 192.0.2.10/24")
			continue
		}
		d.Addresses = append(d.Addresses, a)
	}
	if h.Manage != "" {
		a, err := netip.ParsePrefix(h.Manage)
		if err != nil || a.Addr().Is4In6() {
			fe.Add("manage-ip", fmt.Sprintf("%q is not an address with its prefix length", h.Manage), "e.g. 192.0.2.20/24")
		}
		d.Manage = a
	}
	if h.ManagePort != "" {
		port, err := strconv.ParseUint(h.ManagePort, 10, 16)
		if err != nil || port == 0 {
			fe.Add("manage-port", fmt.Sprintf("%q is no port", h.ManagePort), "1 to 65535")
		}
		d.ManagePort = int(port) //nolint:gosec // of 16 bits
	}
	if err := fe.Err(); err != nil {
		return d, err
	}
	return d.Complete()
}

// isNew refuses a Description whose resources or constraints exist, all or some of them.
func isNew(d Description, configuration *cibxml.Element) error {
	taken := func(e *cibxml.Element) error {
		return &lb.InvalidError{Fields: []lb.FieldError{{
			Path: "name", Problem: strconv.Quote(e.Attr("id")) + " is the id of a " + e.Name + " already",
			Expected: "a name that is not in use. thalassa cluster apply changes a HAProxy that exists",
		}}}
	}
	for _, section := range []string{"resources", "constraints"} {
		for _, e := range configuration.Child(section).Descendants("") {
			if d.isOurs(e) {
				return taken(e)
			}
		}
	}
	for _, want := range slices.Concat(d.resources(), d.constraints()) {
		for _, e := range append(want.Descendants(""), want) {
			if other := configuration.ByID(e.Attr("id")); e.Has("id") && other != nil {
				return taken(other)
			}
		}
	}
	return nil
}

// additions are the edits that add what Description.edit has added to a configuration.
func additions(before, after *cibxml.Element) ([]config.Edit, error) {
	var out []config.Edit
	for _, section := range []string{"resources", "constraints"} {
		for _, e := range after.Child(section).Elements() {
			if id := e.Attr("id"); before.ByID(id) == nil {
				out = append(out, config.Edit{Op: config.Put, Kind: config.KindOf(e), ID: id, Body: e.Bytes(), IsXML: true, IfNone: true})
			}
		}
	}
	for _, set := range after.Ensure("crm_config").Elements() {
		id := set.Attr("id")
		if before.ByID(id) == nil {
			out = append(out, config.Edit{Op: config.Put, Kind: config.Properties, ID: id, Body: set.Bytes(), IsXML: true, IfNone: true})
			continue
		}
		for _, p := range set.Elements() {
			if before.ByID(p.Attr("id")) == nil {
				body, err := json.Marshal(map[string]map[string]string{
					"values": {p.Attr("name"): p.Attr("value")}, "ids": {"values/" + p.Attr("name"): p.Attr("id")},
				})
				if err != nil {
					return nil, fmt.Errorf("writing %s as JSON: %w", id, err)
				}
				out = append(out, config.Edit{Op: config.Patch, Kind: config.Properties, ID: id, Body: body})
			}
		}
	}
	return out, nil
}
