#!/bin/sh
# The log groups of the edge's functions: CloudFront makes one for each function in every region where a viewer was, keeps it
# for ever, and CloudFormation knows nothing of them.
#
#   infra/edge/logs.sh NAME DAYS      keeps the logs of the deployment NAME for so many days
#   infra/edge/logs.sh NAME delete    deletes them, after a tear-down
#
# A region that had its first viewer since the last call is only known to the next one; infra/deploy.sh calls this each time.
set -eu
name=$1
days=$2
case $days in
delete | 1 | 3 | 5 | 7 | 14 | 30 | 60 | 90 | 365) ;;
*) echo "infra/edge/logs.sh: $days is no number of days that CloudWatch Logs knows" >&2 && exit 2 ;;
esac
regions=$(aws ec2 describe-regions --region us-east-1 --query 'Regions[].RegionName' --output text)
for region in $regions; do
    for function in viewer-request origin-request origin-response viewer-response; do
        group="/aws/lambda/us-east-1.$name-$function"
        found=$(aws logs describe-log-groups --region "$region" --log-group-name-prefix "$group" \
            --query "logGroups[?logGroupName=='$group'].logGroupName" --output text)
        [ "$found" = "$group" ] || continue
        if [ "$days" = delete ]; then
            aws logs delete-log-group --region "$region" --log-group-name "$group"
            echo "deleted $group in $region"
        else
            aws logs put-retention-policy --region "$region" --log-group-name "$group" --retention-in-days "$days"
            echo "$group in $region is kept for $days days"
        fi
    done
done
