package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"thalassa/auth"
)

// grantFlags are the flags that say what a new user or token may do.
type grantFlags struct {
	role string
	on   []string
	hide bool
}

func (g *grantFlags) declare(cmd *cobra.Command) {
	cmd.Flags().StringVar(&g.role, "role", "", "`role`: read, deploy, operate or admin")
	cmd.Flags().StringSliceVar(&g.on, "on", nil, "`pattern` of objects that the role is limited to, e.g. backend/shop-*")
	cmd.Flags().BoolVar(&g.hide, "hide-others", false, "hide the objects that --on does not name")
}

// grant is what the flags say.
func (g *grantFlags) grant() (auth.Grant, error) {
	role, err := auth.ParseRole(g.role)
	if err != nil {
		return auth.Grant{}, fmt.Errorf("--role: %w", err)
	}
	grant, err := auth.NewGrant(role, g.on, !g.hide)
	if err != nil {
		return auth.Grant{}, fmt.Errorf("--on and --hide-others, in the file on and see: %w", err)
	}
	return grant, nil
}

// scope is what an entry is limited to.
func scope(e auth.Entry) string {
	text := strings.Join(e.On, " ")
	switch {
	case text == "":
		return "everything"
	case e.Hides:
		return text + " (hides the rest)"
	}
	return text
}
