package corosync

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// CheckName reports what is wrong with the name of a node or a cluster, as a *FieldError.
func CheckName(field, name string) error {
	valid := name != "" && len(name) <= maxName
	for i, r := range name {
		isAlphanumeric := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		valid = valid && (isAlphanumeric || i > 0 && (r == '-' || r == '.' || r == '_'))
	}
	if !valid {
		return &FieldError{field, name, nameRule()}
	}
	return nil
}

func nameRule() string {
	return fmt.Sprintf("1 to %d letters, digits, dots, hyphens and underscores, the first one a letter or digit", maxName)
}

// CheckAddress reports what is wrong with an address for a node, as a *FieldError.
func CheckAddress(field, text string) error {
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" || a.Is4In6() || a.String() != text {
		return &FieldError{field, text, "an IPv4 or IPv6 address in its shortest form"}
	}
	if !a.IsGlobalUnicast() {
		return &FieldError{field, text, "an address of this node alone that other nodes can reach"}
	}
	return nil
}

// checkNew reports why a node cannot be added to others.
func checkNew(n Node, nodes []Node) error {
	if err := CheckName("node", n.Name); err != nil {
		return err
	}
	if len(nodes) >= MaxNodes {
		return &FieldError{"node", n.Name, fmt.Sprintf("at most %d nodes in a cluster", MaxNodes)}
	}
	if hasName(names(nodes), n.Name) {
		return &FieldError{"node", n.Name, "a name that no other node has"}
	}
	links := len(n.Addresses)
	if links == 0 || links > MaxLinks {
		return &FieldError{"address", strings.Join(n.Addresses, ", "), fmt.Sprintf("1 to %d addresses", MaxLinks)}
	}
	for i, text := range n.Addresses {
		if err := CheckAddress("address", text); err != nil {
			return err
		}
		if slices.Contains(n.Addresses[:i], text) {
			return &FieldError{"address", text, "another address for each link"}
		}
	}
	for _, other := range nodes {
		if err := fits(n, other); err != nil {
			return err
		}
	}
	return nil
}

// fits reports why two nodes cannot be in one cluster: each link has one family of addresses.
func fits(n, other Node) error {
	if len(n.Addresses) != len(other.Addresses) {
		return &FieldError{"address", strings.Join(n.Addresses, ", "), fmt.Sprintf("as many addresses as node %s has: %d", other.Name, len(other.Addresses))}
	}
	for i, text := range n.Addresses {
		if slices.Contains(other.Addresses, text) {
			return &FieldError{"address", text, "an address that is not that of node " + other.Name}
		}
		theirs, err := netip.ParseAddr(other.Addresses[i])
		if err != nil {
			continue // a host name, which may be of any family
		}
		if netip.MustParseAddr(text).Is4() != theirs.Unmap().Is4() {
			return &FieldError{"address", text, fmt.Sprintf("an address of the same family as %s of node %s", theirs, other.Name)}
		}
	}
	return nil
}
