package secrets

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/getsops/sops/v3/keyservice"
)

// arn has its region as the first group. Strict, since the region becomes part of a host's name.
var arn = regexp.MustCompile(`^arn:aws[a-z-]*:kms:([a-z]{2,}(?:-[a-z0-9]+)+):[0-9]+:(?:key|alias)/.+$`)

// openAWS asks the KMS of the key's region. A role that the document names is assumed first. The document's profile is not
// looked at: profiles are in home folders.
func (o *opener) openAWS(key *keyservice.KmsKey, sealed []byte) ([]byte, error) {
	name := fmt.Sprintf("AWS KMS key '%s'", key.Arn)
	found := arn.FindStringSubmatch(key.Arn)
	if found == nil {
		return nil, fmt.Errorf("%s: not the ARN of a KMS key", name)
	}
	if o.keys.AWS == nil {
		return nil, o.lacks(Lack{Service: "aws", Region: found[1]}, name)
	}
	blob, err := base64.StdEncoding.DecodeString(string(sealed))
	if err != nil {
		return nil, fmt.Errorf("%s: the encrypted data key is not base64", name)
	}
	config, err := o.keys.AWS.config(o.ctx, found[1], key.Role)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	answer, err := kms.NewFromConfig(config).Decrypt(o.ctx, &kms.DecryptInput{
		KeyId:             &key.Arn,
		CiphertextBlob:    blob,
		EncryptionContext: key.Context,
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, reasonOfAWS(err))
	}
	return answer.Plaintext, nil
}

func (k *AWSKeys) config(ctx context.Context, region, role string) (aws.Config, error) {
	keys, err := kms.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, kms.EndpointParameters{Region: &region})
	if err != nil {
		return aws.Config{}, err
	}
	logins, err := sts.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, sts.EndpointParameters{Region: &region})
	if err != nil {
		return aws.Config{}, err
	}
	config := aws.Config{
		Region:      region,
		HTTPClient:  reaching(keys.URI.Host, logins.URI.Host),
		Credentials: credentials.NewStaticCredentialsProvider(k.AccessKeyID, k.SecretAccessKey, k.SessionToken),
	}
	if role != "" {
		assumed := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(config), role, func(options *stscreds.AssumeRoleOptions) {
			options.RoleSessionName = "sops@fleetloop"
		})
		config.Credentials = aws.NewCredentialsCache(assumed)
	}
	return config, nil
}

// reasonOfAWS leaves out the request and its number of retries.
func reasonOfAWS(err error) error {
	var refused smithy.APIError
	if errors.As(err, &refused) {
		return fmt.Errorf("%s: %s", refused.ErrorCode(), refused.ErrorMessage())
	}
	answered := new(smithyhttp.ResponseError)
	if errors.As(err, &answered) && answered.Response != nil {
		return fmt.Errorf("HTTP status %d", answered.Response.StatusCode)
	}
	return reasonOf(err)
}
