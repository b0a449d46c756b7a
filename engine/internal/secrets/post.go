package secrets

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// post sends JSON and reads JSON.
func post(ctx context.Context, client *http.Client, address url.URL, headers map[string]string, body, answer any) error {
	content, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address.String(), bytes.NewReader(content))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	response, err := client.Do(request)
	if err != nil {
		return reasonOf(err)
	}
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		return reasonOf(err)
	}
	if response.StatusCode != http.StatusOK {
		return refusalOf(response.StatusCode, read)
	}
	if err := json.Unmarshal(read, answer); err != nil {
		return errors.New("the answer is not JSON")
	}
	return nil
}

// refusalOf tells the status and the sentences that key services put into their errors. Anything else in a body is left out:
// the document's author chose the host, and shall not read through us what they cannot reach.
func refusalOf(status int, body []byte) error {
	var sentences []string
	var vault struct {
		Errors []string `json:"errors"`
	}
	if json.Unmarshal(body, &vault) == nil {
		sentences = vault.Errors
	}
	var cloud struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &cloud) == nil && cloud.Error.Message != "" {
		sentences = append(sentences, cloud.Error.Message)
	}
	var login struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if json.Unmarshal(body, &login) == nil && login.Error != "" {
		sentences = append(sentences, strings.TrimSuffix(login.Error+": "+login.Description, ": "))
	}
	if len(sentences) == 0 {
		return fmt.Errorf("HTTP status %d", status)
	}
	return fmt.Errorf("HTTP status %d: %s", status, strings.Join(sentences, ", "))
}
