select customers.customer_id, customers.name, coalesce(sum(orders.amount), 0) as amount
from {{ ref('customers') }} as customers
left join {{ ref('orders') }} as orders on orders.customer_id = customers.customer_id
group by customers.customer_id, customers.name
