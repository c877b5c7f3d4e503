// A user pool for a private demo: whoever is in it gets tokens that the edge takes. Its names are known only once it is
// there, and the edge's functions are packaged with them, so it is deployed before everything else.
import { CfnOutput, Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import { AccountRecovery, Mfa, UserPool } from 'aws-cdk-lib/aws-cognito';
import type { Construct } from 'constructs';
import { accept } from './accepted.ts';
import type { Issuer } from './packages.ts';

export class AuthStack extends Stack {
  constructor(scope: Construct, id: string, name: string, props: StackProps) {
    super(scope, id, props);
    const pool = new UserPool(this, 'Pool', {
      userPoolName: name,
      selfSignUpEnabled: false,
      signInAliases: { email: true },
      accountRecovery: AccountRecovery.EMAIL_ONLY,
      mfa: Mfa.OPTIONAL,
      mfaSecondFactor: { sms: false, otp: true },
      passwordPolicy: {
        minLength: 12,
        requireDigits: true,
        requireLowercase: true,
        requireUppercase: true,
        requireSymbols: true,
      },
      removalPolicy: RemovalPolicy.DESTROY,
    });
    accept(pool, 'COG2', 'For a demo; its users may turn it on.');
    accept(pool, 'COG8', 'For a demo; what the plan costs more buys nothing here.');
    const client = pool.addClient('Viewers', {
      authFlows: { userSrp: true, userPassword: true },
      preventUserExistenceErrors: true,
      idTokenValidity: Duration.hours(1),
      accessTokenValidity: Duration.hours(1),
      refreshTokenValidity: Duration.days(7),
    });
    new CfnOutput(this, 'PoolId', { value: pool.userPoolId });
    new CfnOutput(this, 'ClientId', { value: client.userPoolClientId });
  }
}

/** What a deployed pool is called, from the outputs that the CDK's command line has written. */
export function issuerOf(outputs: Record<string, string> | undefined, region: string): Issuer | undefined {
  const { PoolId, ClientId } = outputs ?? {};
  if (!PoolId || !ClientId) return undefined;
  return { issuer: `https://cognito-idp.${region}.amazonaws.com/${PoolId}`, audience: ClientId };
}
