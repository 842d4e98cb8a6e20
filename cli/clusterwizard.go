package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"thalassa/client"
)

// consoleWizard is a wizard, as the agent tells.
type consoleWizard struct {
	Name, Title, Help string
	Fields            []struct {
		Name, Label, Help, Kind, Default string
		Required                         bool
		Choices                          []string
	}
}

func newClusterWizard(o *onNode) *cobra.Command {
	var body struct {
		Values  map[string]string `json:"values"`
		Draft   string            `json:"draft,omitempty"`
		Message string            `json:"message,omitempty"`
	}
	cmd := o.agentCommand(&cobra.Command{
		Use:   "wizard [WIZARD [FIELD=VALUE...]]",
		Short: "Make a floating IP, a web server, a fence device and others in a draft",
		Long: `Makes objects of the cluster's configuration from a few values, in a draft, and shows what
the cluster would do. Nothing is in effect before the draft is committed. Without a name
this command lists the wizards, and without values the fields of one. Several nodes or
addresses are separated by spaces. FIELD=- reads a value from standard input, so that a
password is not in the list of processes.`,
		Example: `  thalassa cluster wizard floating-ip
  thalassa cluster wizard floating-ip ip=192.0.2.77/24 with=haproxy-clone
  thalassa cluster wizard fence-device agent=stonith:fence_ipmilan "nodes=lb1 lb2" \
    params.ip=192.0.2.99 params.username=fence params.password=- --draft week-31`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return o.describeWizards(cmd, strings.Join(args, ""))
			}
			var err error
			if body.Values, err = o.wizardValues(args[1:]); err != nil {
				return err
			}
			c, err := o.console(cmd)
			if err != nil {
				return err
			}
			answer, err := c.Post(cmd.Context(), client.ClusterWizardPath(args[0]), body, 0)
			if err != nil {
				return err
			}
			return o.showWizardDraft(answer)
		},
	})
	cmd.Flags().StringVar(&body.Draft, "draft", "", "`ID` of a draft to add to (default: a new one)")
	cmd.Flags().StringVarP(&body.Message, "message", "m", "", "`text` that says what a new draft is for")
	return cmd
}

// describeWizards shows the wizards, or the fields of one.
func (o *onNode) describeWizards(cmd *cobra.Command, name string) error {
	c, err := o.console(cmd)
	if err != nil {
		return err
	}
	var list struct {
		Wizards []json.RawMessage `json:"wizards"`
	}
	if err := c.Get(cmd.Context(), client.ClusterWizardPath(""), &list); err != nil {
		return err
	}
	wizards, names := make([]consoleWizard, len(list.Wizards)), []string{}
	for i, raw := range list.Wizards {
		if err := json.Unmarshal(raw, &wizards[i]); err != nil {
			return fmt.Errorf("reading the agent's answer: %w", err)
		}
		if names = append(names, wizards[i].Name); wizards[i].Name == name {
			return o.show(raw, func(w io.Writer) { wizardRows(w, wizards[i]) })
		}
	}
	if name != "" {
		return mistake(cmd, "there is no wizard %q, expected one of %s", name, strings.Join(names, ", "))
	}
	return o.show(list, func(w io.Writer) {
		row(w, "WIZARD", "WHAT IT MAKES")
		for _, x := range wizards {
			row(w, x.Name, x.Help)
		}
	})
}

func wizardRows(w io.Writer, x consoleWizard) {
	row(w, x.Name, x.Help)
	row(w, "")
	row(w, "FIELD", "KIND", "DEFAULT", "IS", "HELP")
	for _, f := range x.Fields {
		name, required, help := f.Name, "", f.Help
		if f.Kind == "params" {
			name = "params.NAME"
		}
		if f.Required && f.Default == "" {
			required = "required"
		}
		if len(f.Choices) > 0 {
			help = strings.TrimSpace(help + " (" + strings.Join(f.Choices, ", ") + ")")
		}
		row(w, name, f.Kind, f.Default, required, orDash(help))
	}
}

// wizardValues reads FIELD=VALUE.
func (o *onNode) wizardValues(args []string) (map[string]string, error) {
	out := map[string]string{}
	read := false
	for _, arg := range args {
		field, value, ok := strings.Cut(arg, "=")
		if _, twice := out[field]; !ok || field == "" || twice {
			return nil, usageError{fmt.Errorf("%q is not FIELD=VALUE, each field once", field)}
		}
		if value == "-" {
			if read {
				return nil, usageError{fmt.Errorf("%s=-: standard input is read already, for another field", field)}
			}
			read = true
			data, err := readDocument(o.env.Stdin, "-")
			if err != nil {
				return nil, err
			}
			value = strings.TrimRight(string(data), "\r\n")
		}
		out[field] = value
	}
	return out, nil
}

// showWizardDraft shows what the draft would do, and how to go on.
func (o *onNode) showWizardDraft(answer json.RawMessage) error {
	var made struct {
		Draft consoleDraft `json:"draft"`
	}
	if err := json.Unmarshal(answer, &made); err != nil {
		return fmt.Errorf("reading the agent's answer: %w", err)
	}
	if err := o.showForeseen(answer); err != nil || o.output == "json" {
		return err
	}
	id := made.Draft.ID
	_, err := fmt.Fprintf(o.env.Stdout, "draft %s changes %s\nsee it:    thalassa cluster draft diff %s\ncommit it: thalassa cluster draft commit %s\n",
		id, strings.Join(made.Draft.Objects, ", "), id, id)
	return err
}
