// A user pool for a private demo: whoever is in it gets tokens that the edge takes. Its names are known only once it is
// there, and the edge's functions are packaged with them, so it is deployed before everything else.
import { CfnOutput, Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import { AccountRecovery, Mfa, UserPool } from 'aws-cdk-lib/aws-cognito';
import type { Construct } from 'constructs';
import { accept } from '../lib/accepted.ts';
import type { UserPool as Known } from '../lib/access.ts';

export interface AuthStackProps extends StackProps {
  readonly poolName: string;
}

export class AuthStack extends Stack {
  constructor(scope: Construct, id: string, props: AuthStackProps) {
    super(scope, id, props);
    const pool = new UserPool(this, 'Pool', {
      userPoolName: props.poolName,
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
export function deployedPool(outputs: Record<string, string> | undefined, region: string): Known | undefined {
  const { PoolId, ClientId } = outputs ?? {};
  return PoolId && ClientId ? { userPoolId: PoolId, userPoolClientId: ClientId, region } : undefined;
}
