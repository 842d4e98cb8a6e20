package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"thalassa/template"
)

// newTemplate prints the embedded template, as a start for another one.
func newTemplate(env environment) *cobra.Command {
	return &cobra.Command{
		Use:   "template",
		Short: "Print the default template of haproxy.cfg",
		Example: `  thalassa template > haproxy.cfg.tmpl
  thalassa check --template-file haproxy.cfg.tmpl`,
		Args: arguments,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprint(env.Stdout, template.DefaultSource())
			return err
		},
	}
}
